#include "event_filter.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "perf/transport.h"
#include "text.h"

namespace ktop {

class FilterParser {
 public:
  FilterParser(const std::string& text, const EventFormat& format, const Symbols& symbols)
      : text_(text), format_(format) {
    filter_.symbols_ = &symbols;
  }

  EventFilter parse() {
    filter_.root_ = either(0);
    space();
    if (at_ != text_.size()) fail("\"" + text_.substr(at_, 12) + "\" is not expected");
    return std::move(filter_);
  }

 private:
  using Node = EventFilter::Node;
  static constexpr int kDeepest = 64;

  [[noreturn]] void fail(const std::string& why) const {
    throw Failure(Failure::kUsage, "the filter \"" + text_ + "\" of " + format_.system + ":" + format_.name +
                                       " cannot be applied: " + why);
  }
  void space() {
    while (at_ < text_.size() && is_space(text_[at_])) at_++;
  }
  bool take(std::string_view token) {
    space();
    if (text_.compare(at_, token.size(), token) != 0) return false;
    at_ += token.size();
    return true;
  }
  int add(Node node) {
    filter_.nodes_.push_back(std::move(node));
    return static_cast<int>(filter_.nodes_.size() - 1);
  }
  int join(EventFilter::Kind kind, int a, int b) {
    Node node;
    node.kind = kind;
    node.a = a;
    node.b = b;
    return add(std::move(node));
  }

  int either(int depth) {
    int left = both(depth);
    while (take("||")) left = join(EventFilter::kOr, left, both(depth));
    return left;
  }

  int both(int depth) {
    int left = term(depth);
    while (take("&&")) left = join(EventFilter::kAnd, left, term(depth));
    return left;
  }

  int term(int depth) {
    if (depth > kDeepest) fail("it is nested too deeply");
    if (take("!")) return join(EventFilter::kNot, term(depth + 1), -1);
    if (!take("(")) return predicate();
    const int inside = either(depth + 1);
    if (!take(")")) fail("a \")\" is missing");
    return inside;
  }

  std::string word() {
    space();
    const size_t start = at_;
    while (at_ < text_.size() && (is_identifier(text_[at_]) || text_[at_] == '.')) at_++;
    return text_.substr(start, at_ - start);
  }

  EventFilter::Op op() {
    static constexpr std::pair<const char*, EventFilter::Op> kOps[] = {
        {"==", EventFilter::kEq}, {"!=", EventFilter::kNe}, {"<=", EventFilter::kLe}, {">=", EventFilter::kGe},
        {"<", EventFilter::kLt},  {">", EventFilter::kGt},  {"~", EventFilter::kGlob}};
    for (auto& [token, which] : kOps)
      if (take(token)) return which;
    space();
    if (at_ < text_.size() && text_[at_] == '&' && text_.compare(at_, 2, "&&") != 0) {
      at_++;
      return EventFilter::kBand;
    }
    fail("a comparison such as == is missing at \"" + text_.substr(at_, 12) + "\"");
  }

  int predicate() {
    std::string name = word();
    if (name.empty()) fail("a field is missing at \"" + text_.substr(at_, 12) + "\"");
    std::string suffix;
    const size_t dot = name.find('.');
    if (dot != name.npos) {
      suffix = name.substr(dot + 1);
      name.resize(dot);
    }
    Node node;
    node.op = op();
    const Field* field = format_.find(name);
    if (field) node.field = *field;
    if (suffix == "function" && field && !field->is_text) return function(std::move(node));
    if (!suffix.empty()) fail("only a kernel can follow \"." + suffix + "\"");
    if (!field && (name == "cpu" || name == "CPU"))
      node.kind = EventFilter::kCpu;
    else if (!field && (name == "comm" || name == "COMM"))
      node.kind = EventFilter::kComm;
    else if (!field)
      fail("the event has no field \"" + name + "\"");
    else
      node.kind = field->is_text ? EventFilter::kText : EventFilter::kNumber;
    if (node.kind == EventFilter::kText || node.kind == EventFilter::kComm) return text(std::move(node));
    if (take("CPUS{")) return cpus(std::move(node));
    return number(std::move(node));
  }

  int text(Node node) {
    if (node.op != EventFilter::kEq && node.op != EventFilter::kNe && node.op != EventFilter::kGlob)
      fail("texts are compared with ==, != and ~");
    node.text = quoted();
    filter_.needs_comm_ |= node.kind == EventFilter::kComm;
    return add(std::move(node));
  }

  int number(Node node) {
    if (node.op == EventFilter::kGlob) fail("~ is for texts");
    if (node.kind == EventFilter::kNumber && node.field.size != 1 && node.field.size != 2 && node.field.size != 4 &&
        node.field.size != 8)
      fail("\"" + node.field.name + "\" is no number");
    space();
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\''))
      fail("\"" + node.field.name + "\" holds no text in the record");
    const char* start = text_.c_str() + at_;
    char* end = nullptr;
    errno = 0;
    const bool negative = *start == '-';
    node.value = negative ? std::strtoll(start, &end, 0) : static_cast<int64_t>(std::strtoull(start, &end, 0));
    if (end == start || errno != 0) fail("a number is missing at \"" + text_.substr(at_, 12) + "\"");
    at_ += static_cast<size_t>(end - start);
    return add(std::move(node));
  }

  int function(Node node) {
    if (node.op != EventFilter::kEq && node.op != EventFilter::kNe) fail("functions are compared with == and !=");
    node.kind = EventFilter::kFunction;
    node.text = word();
    if (filter_.symbols_->address(node.text) == 0) fail("where \"" + node.text + "\" was is not known");
    return add(std::move(node));
  }

  // CPUS{0-3,7}
  int cpus(Node node) {
    if (node.op != EventFilter::kEq && node.op != EventFilter::kNe && node.op != EventFilter::kBand)
      fail("CPUS{} is compared with ==, != and &");
    const size_t close = text_.find('}', at_);
    if (close == text_.npos) fail("a \"}\" is missing");
    for (std::string_view rest = std::string_view(text_).substr(at_, close - at_); !rest.empty();) {
      const std::string_view part = trim(rest.substr(0, rest.find(',')));
      rest.remove_prefix(std::min(rest.size(), rest.find(',') == rest.npos ? rest.size() : rest.find(',') + 1));
      unsigned low = 0, high = 0;
      const std::string one(part);
      const int found = std::sscanf(one.c_str(), "%u-%u", &low, &high);
      if (found < 1 || low >= 65536 || high >= 65536) fail("\"" + one + "\" is no list of CPUs");
      if (found == 1) high = low;
      for (unsigned cpu = low; cpu <= high; cpu++) {
        if (node.cpus.size() <= cpu) node.cpus.resize(cpu + 1);
        node.cpus[cpu] = true;
      }
    }
    at_ = close + 1;
    if (node.kind == EventFilter::kNumber && node.field.size != 4 && node.field.size != 8 && node.field.size != 2)
      fail("\"" + node.field.name + "\" is no CPU");
    node.a = node.kind == EventFilter::kCpu ? 1 : 0;
    node.kind = EventFilter::kCpus;
    return add(std::move(node));
  }

  std::string quoted() {
    space();
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
      const char quote = text_[at_++];
      const size_t end = text_.find(quote, at_);
      if (end == text_.npos) fail("a closing quote is missing");
      const std::string inside = text_.substr(at_, end - at_);
      at_ = end + 1;
      return inside;
    }
    // Without quotes, as older kernels take it: up to a space or the next operator.
    const size_t start = at_;
    while (at_ < text_.size() && !is_space(text_[at_]) &&
           std::string_view("&|()").find(text_[at_]) == std::string_view::npos)
      at_++;
    if (at_ == start) fail("a text is missing at the end");
    return text_.substr(start, at_ - start);
  }

  const std::string& text_;
  const EventFormat& format_;
  size_t at_ = 0;
  EventFilter filter_;
};

EventFilter EventFilter::compile(const std::string& text, const EventFormat& format, const Symbols& symbols) {
  return FilterParser(text, format, symbols).parse();
}

bool EventFilter::compares(const Node& node, int64_t value, bool is_signed) {
  const auto compare = [&node](auto a, auto b) {
    switch (node.op) {
      case kEq:
        return a == b;
      case kNe:
        return a != b;
      case kLt:
        return a < b;
      case kLe:
        return a <= b;
      case kGt:
        return a > b;
      case kGe:
        return a >= b;
      case kBand:
        return (a & b) != 0;
      default:
        return false;
    }
  };
  return is_signed ? compare(value, node.value)
                   : compare(static_cast<uint64_t>(value), static_cast<uint64_t>(node.value));
}

bool EventFilter::matches(const Node& node, std::string_view text) {
  if (node.op == kGlob) return glob_matches(node.text, text);
  return (text == node.text) == (node.op == kEq);
}

bool EventFilter::holds(int index, const Event& event) const {
  const Node& node = nodes_[static_cast<size_t>(index)];
  switch (node.kind) {
    case kAnd:
      return holds(node.a, event) && holds(node.b, event);
    case kOr:
      return holds(node.a, event) || holds(node.b, event);
    case kNot:
      return !holds(node.a, event);
    case kNumber: {
      int64_t value = read_integer(node.field, event.raw, event.size);
      return compares(node, value, node.field.is_signed);
    }
    case kText:
      return matches(node, read_text(node.field, event.raw, event.size));
    case kCpu:
      return compares(node, event.cpu, true);
    case kComm:
      return matches(node, event.comm);
    case kFunction: {
      const uint64_t address = static_cast<uint64_t>(read_integer(node.field, event.raw, event.size));
      return (symbols_->name(address, false) == node.text) == (node.op == kEq);
    }
    case kCpus: {
      const int64_t cpu = node.a ? event.cpu : read_integer(node.field, event.raw, event.size);
      const bool in = cpu >= 0 && static_cast<uint64_t>(cpu) < node.cpus.size() && node.cpus[static_cast<size_t>(cpu)];
      return in == (node.op != kNe);
    }
  }
  return false;
}

bool glob_matches(std::string_view pattern, std::string_view text) {
  // One place to return to is enough: a later * makes all before it final.
  size_t p = 0, t = 0, back_p = std::string_view::npos, back_t = 0;
  while (true) {
    const bool has_text = t < text.size();
    bool ok = false;
    if (p < pattern.size()) {
      char c = pattern[p];
      if (c == '*') {
        if (p + 1 == pattern.size()) return true;
        back_p = ++p;
        back_t = t;
        continue;
      }
      size_t next = p + 1;
      if (!has_text) return false;
      if (c == '?') {
        ok = true;
      } else if (c == '[') {
        const bool inverted = next < pattern.size() && pattern[next] == '!';
        size_t at = next + (inverted ? 1 : 0);
        bool in = false, closed = false;
        for (bool first = true; at < pattern.size(); first = false) {
          if (pattern[at] == ']' && !first) {
            closed = true;
            at++;
            break;
          }
          const unsigned char low = static_cast<unsigned char>(pattern[at++]);
          unsigned char high = low;
          if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
            high = static_cast<unsigned char>(pattern[at + 1]);
            at += 2;
          }
          const unsigned char have = static_cast<unsigned char>(text[t]);
          in |= low <= have && have <= high;
        }
        if (closed) {
          ok = in != inverted;
          next = at;
        } else {
          ok = text[t] == '[';
        }
      } else {
        if (c == '\\' && next < pattern.size()) c = pattern[next++];
        ok = text[t] == c;
      }
      if (ok) {
        p = next;
        t++;
        continue;
      }
    } else if (!has_text) {
      return true;
    }
    if (back_p == std::string_view::npos || !has_text) return false;
    p = back_p;
    t = ++back_t;
  }
}

}  // namespace ktop
