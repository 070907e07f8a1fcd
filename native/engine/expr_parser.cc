// Text → stack program. Recursive descent by precedence; depth bounded, so hostile text cannot exhaust the stack.
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "expr.h"
#include "perf/transport.h"

namespace ktop {

class ExprParser {
 public:
  ExprParser(const std::string& text, const EventFormat* format, Scope& scope)
      : text_(text), format_(format), scope_(scope) {}

  Expr parse() {
    ternary(0);
    space();
    if (at_ != text_.size()) fail("unexpected \"" + text_.substr(at_, 12) + "\"");
    if (expr_.code_.size() == 1) {
      expr_.simple_ = true;
      expr_.is_text_ = expr_.code_[0].op == Expr::kText || expr_.code_[0].op == Expr::kComm ||
                       expr_.code_[0].op == Expr::kPcomm || expr_.code_[0].op == Expr::kIp;
    } else {
      expr_.field_name_.clear();
    }
    // A memo may hold text; `recall(...)`, also as branch of ?:, is shown as what the declaration's suffix says.
    return std::move(expr_);
  }

 private:
  static constexpr int kDeepest = 24;

  [[noreturn]] void fail(const std::string& why) const {
    throw Failure(Failure::kUsage, "bad expression \"" + text_ + "\": " + why);
  }
  void space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) at_++;
  }
  bool take(const char* token) {
    space();
    const size_t n = std::strlen(token);
    if (text_.compare(at_, n, token) != 0) return false;
    at_ += n;
    return true;
  }
  void need(const char* token) {
    if (!take(token)) fail(std::string("\"") + token + "\" expected");
  }
  size_t emit(Expr::Op op, int64_t value = 0) {
    // The program's stack is a fixed array: count what waits on it.
    if (op <= Expr::kNum) waiting_++;
    if ((op >= Expr::kMul && op <= Expr::kOr) || op == Expr::kJumpIfZero || op == Expr::kJump || op == Expr::kPop)
      waiting_--;
    if (waiting_ > 60) fail("too many operands");
    expr_.code_.push_back({op, false, 0, 0, value});
    return expr_.code_.size() - 1;
  }
  // A step with a field, a text or a memo beside it.
  Expr::Extra& emit_extra(Expr::Op op) {
    emit(op, static_cast<int64_t>(expr_.extras_.size()));
    return expr_.extras_.emplace_back();
  }
  void land(size_t jump) { expr_.code_[jump].value = static_cast<int64_t>(expr_.code_.size()); }

  void ternary(int depth) {
    if (depth > kDeepest) fail("nested too deeply");
    binary(0, depth + 1);
    if (!take("?")) return;
    const size_t otherwise = emit(Expr::kJumpIfZero);
    ternary(depth + 1);
    need(":");
    const size_t end = emit(Expr::kJump);
    land(otherwise);
    ternary(depth + 1);
    land(end);
  }

  struct Level {
    const char* tokens[4];
    Expr::Op ops[4];
  };

  // Longer tokens stand before their prefixes.
  void binary(size_t level, int depth) {
    static const Level levels[] = {
        {{"||"}, {Expr::kOr}},
        {{"&&"}, {Expr::kAnd}},
        {{"|"}, {Expr::kOr}},
        {{"^"}, {Expr::kXor}},
        {{"&"}, {Expr::kAnd}},
        {{"==", "!="}, {Expr::kEq, Expr::kNe}},
        {{"<=", ">=", "<", ">"}, {Expr::kLe, Expr::kGe, Expr::kLt, Expr::kGt}},
        {{"<<", ">>"}, {Expr::kShl, Expr::kShr}},
        {{"+", "-"}, {Expr::kAdd, Expr::kSub}},
        {{"*", "/", "%"}, {Expr::kMul, Expr::kDiv, Expr::kMod}},
    };
    if (level == sizeof levels / sizeof levels[0]) return unary(depth);
    binary(level + 1, depth);
    for (;;) {
      space();
      int hit = -1;
      for (int i = 0; i < 4 && levels[level].tokens[i] && hit < 0; i++) {
        const char* token = levels[level].tokens[i];
        const size_t n = std::strlen(token);
        if (text_.compare(at_, n, token) != 0) continue;
        const char next = at_ + n < text_.size() ? text_[at_ + n] : '\0';
        // "|" is not the start of "||", "<" not of "<<".
        if (n == 1 && (next == token[0] && std::strchr("|&<>", token[0]))) continue;
        hit = i;
        at_ += n;
      }
      if (hit < 0) return;
      if (level < 2) {
        emit(Expr::kBool);
        const size_t jump = emit(level == 0 ? Expr::kJumpIfTrueKeep : Expr::kJumpIfZeroKeep);
        emit(Expr::kPop);
        binary(level + 1, depth);
        emit(Expr::kBool);
        land(jump);
      } else {
        binary(level + 1, depth);
        emit(levels[level].ops[hit]);
      }
    }
  }

  void unary(int depth) {
    if (depth > kDeepest) fail("nested too deeply");
    space();
    if (take("-")) {
      unary(depth + 1);
      emit(Expr::kNeg);
    } else if (text_.compare(at_, 1, "!") == 0) {
      at_++;
      unary(depth + 1);
      emit(Expr::kNot);
    } else if (take("~")) {
      unary(depth + 1);
      emit(Expr::kBitNot);
    } else if (take("(")) {
      ternary(depth + 1);
      need(")");
    } else if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) {
      emit(Expr::kConst, integer());
    } else if (text_.compare(at_, 1, "\"") == 0) {
      emit(Expr::kConst, scope_.strings.id(quoted()));
    } else {
      name(depth);
    }
  }

  int64_t integer() {
    space();
    char* end = nullptr;
    errno = 0;
    const uint64_t value = std::strtoull(text_.c_str() + at_, &end, 0);
    if (end == text_.c_str() + at_) fail("a number expected at \"" + text_.substr(at_, 12) + "\"");
    if (errno != 0) fail("number out of range");
    at_ = static_cast<size_t>(end - text_.c_str());
    return static_cast<int64_t>(value);
  }

  std::string word() {
    space();
    const size_t start = at_;
    if (at_ < text_.size() && text_[at_] == '$') at_++;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) at_++;
    if (at_ == start) fail("a field, a number or \"(\" expected at \"" + text_.substr(start, 12) + "\"");
    return text_.substr(start, at_ - start);
  }

  const Field& field(const std::string& name) {
    const Field* found = format_ ? format_->find(name) : nullptr;
    if (found) return *found;
    if (!format_) fail("\"" + name + "\": clock samples have no fields");
    std::string all;
    for (const Field& field : format_->fields)
      if (field.name.compare(0, 7, "common_") != 0) all += (all.empty() ? "" : ", ") + field.name;
    throw Failure(Failure::kUsage, "event " + format_->system + ":" + format_->name + " has no field \"" + name +
                                       "\"; its fields are " + all);
  }

  void name(int depth) {
    static const std::pair<const char*, Expr::Op> variables[] = {
        {"$tid", Expr::kTid},          {"$pid", Expr::kPid}, {"$cpu", Expr::kCpu},   {"$time", Expr::kTime},
        {"$comm", Expr::kComm},        {"$irq", Expr::kIrq}, {"$who", Expr::kWho},   {"$ppid", Expr::kPpid},
        {"$pcomm", Expr::kPcomm},      {"$uid", Expr::kUid}, {"$user", Expr::kUser}, {"$compat", Expr::kCompat},
        {"$followed", Expr::kFollowed}};
    const std::string what = word();
    if (what[0] == '$') {
      for (auto& [variable, op] : variables)
        if (what == variable) return void(emit(op));
      fail("unknown variable \"" + what + "\"");
    }
    if (take("(")) {
      if (what == "has") {
        Expr::Extra& extra = emit_extra(Expr::kHas);
        extra.field = text_field(word());
        need(",");
        extra.text = quoted();
      } else if (what == "num") {
        emit_extra(Expr::kNum).field = text_field(word());
      } else if (what == "ip") {
        emit_extra(Expr::kIp).field = field(word());
      } else if (what == "ksym") {
        emit(Expr::kConst, static_cast<int64_t>(scope_.world.symbols().address(quoted())));
      } else if (what == "maybe") {
        const std::string wanted = word();
        if (format_ && format_->find(wanted))
          load(wanted);
        else
          emit(Expr::kConst, 0);
      } else if (what == "given") {
        const std::string wanted = word();
        emit(Expr::kConst, format_ && format_->find(wanted));
      } else if (what == "first") {
        std::vector<size_t> jumps;
        do {
          if (!jumps.empty()) emit(Expr::kPop);
          ternary(depth + 1);
          jumps.push_back(emit(Expr::kJumpIfTrueKeep));
        } while (take(","));
        for (size_t jump : jumps) land(jump);
      } else if (what == "recall") {
        const auto memo = scope_.memos.find(word());
        if (memo == scope_.memos.end()) fail("recall() of a memo that nothing remembers");
        need(",");
        ternary(depth + 1);
        emit_extra(Expr::kRecall).memo = &memo->second;
      } else if (what == "oneof") {
        ternary(depth + 1);
        std::vector<int64_t> set;
        while (take(",")) set.push_back(integer());
        std::sort(set.begin(), set.end());
        emit_extra(Expr::kOneOf).set = std::move(set);
      } else {
        fail("unknown function \"" + what + "\"");
      }
      need(")");
      return;
    }
    load(what);
  }

  void load(const std::string& name) {
    const Field& found = field(name);
    if (expr_.code_.empty()) expr_.field_name_ = name;
    if (found.is_text) {
      emit_extra(Expr::kText).field = found;
      return;
    }
    const uint32_t index = element(found);
    Expr::Step& step = expr_.code_[emit(Expr::kField)];
    step.offset = found.offset + index * found.element;
    step.size = static_cast<uint8_t>(found.element);
    step.is_signed = found.is_signed;
  }

  // args[2]: which element of an array is meant; 0 for a plain field.
  uint32_t element(const Field& of) {
    const bool is_array = of.where == Field::kInline && of.element != 0 && of.element < of.size;
    if (!is_array) return 0;
    if (!take("[")) fail("\"" + of.name + "\" is an array; write " + of.name + "[0]");
    const int64_t index = integer();
    if (index < 0 || index >= of.size / of.element)
      fail(of.name + " has the elements 0 to " + std::to_string(of.size / of.element - 1));
    need("]");
    expr_.field_name_.clear();
    return static_cast<uint32_t>(index);
  }

  Field text_field(const std::string& name) {
    const Field& found = field(name);
    if (!found.is_text) fail("\"" + name + "\" is a number, not text");
    return found;
  }

  std::string quoted() {
    need("\"");
    const size_t end = text_.find('"', at_);
    if (end == std::string::npos) fail("closing \" missing");
    std::string inside = text_.substr(at_, end - at_);
    at_ = end + 1;
    return inside;
  }

  const std::string& text_;
  const EventFormat* format_;
  Scope& scope_;
  size_t at_ = 0;
  int waiting_ = 0;
  Expr expr_;
};

Expr Expr::compile(const std::string& text, const EventFormat* format, Scope& scope) {
  return ExprParser(text, format, scope).parse();
}

}  // namespace ktop
