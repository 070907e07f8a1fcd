#include "print_format.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "print_parser.h"
#include "symbols/kallsyms.h"
#include "symbols/pointer_text.h"
#include "text.h"

namespace ktop {
namespace {

constexpr size_t kMaxLine = 16384;
constexpr int kMaxWidth = 1024;

// A piece of the format string: text, then one conversion (conversion 0 = none).
struct Piece {
  std::string text;
  std::string flags;
  int width = -1, precision = -1;  // -1: none, -2: from an argument
  int bytes = 4;                   // what the length modifier says
  char conversion = 0;
  std::string pointer;  // letters after %p
};

int take_count(std::string_view& s) {
  if (!s.empty() && s[0] == '*') {
    s.remove_prefix(1);
    return -2;
  }
  if (s.empty() || !is_digit(s[0])) return -1;
  int n = 0;
  while (!s.empty() && is_digit(s[0])) {
    if (n < kMaxWidth) n = n * 10 + (s[0] - '0');
    s.remove_prefix(1);
  }
  return n < kMaxWidth ? n : kMaxWidth;
}

std::vector<Piece> split(std::string_view s) {
  std::vector<Piece> pieces(1);
  while (!s.empty()) {
    if (s[0] != '%') {
      pieces.back().text += s[0];
      s.remove_prefix(1);
      continue;
    }
    s.remove_prefix(1);
    if (!s.empty() && s[0] == '%') {
      pieces.back().text += '%';
      s.remove_prefix(1);
      continue;
    }
    Piece& p = pieces.back();
    while (!s.empty() && strchr("-+ #0", s[0]) && s[0]) {
      if (p.flags.size() < 5) p.flags += s[0];
      s.remove_prefix(1);
    }
    p.width = take_count(s);
    if (!s.empty() && s[0] == '.') {
      s.remove_prefix(1);
      p.precision = take_count(s);
      if (p.precision == -1) p.precision = 0;
    }
    for (; !s.empty() && s[0] && strchr("hlLqjzt", s[0]); s.remove_prefix(1)) {
      if (s[0] == 'h')
        p.bytes = p.bytes == 2 ? 1 : 2;
      else
        p.bytes = 8;
    }
    if (s.empty()) break;
    p.conversion = s[0];
    s.remove_prefix(1);
    if (p.conversion == 'p') {
      while (!s.empty() && is_identifier(s[0]) && s[0] != '_') {
        if (p.pointer.size() < 16) p.pointer += s[0];
        s.remove_prefix(1);
      }
    }
    pieces.emplace_back();
  }
  return pieces;
}

std::string pad(const Piece& p, std::string text) {
  if (p.precision >= 0 && text.size() > static_cast<size_t>(p.precision)) text.resize(p.precision);
  if (p.width > 0 && text.size() < static_cast<size_t>(p.width)) {
    const size_t missing = p.width - text.size();
    if (p.flags.find('-') != std::string::npos)
      text.append(missing, ' ');
    else
      text.insert(0, missing, ' ');
  }
  return text;
}

std::string number(const Piece& p, uint64_t bits) {
  const bool is_signed = p.conversion == 'd' || p.conversion == 'i';
  if (p.bytes < 8) {
    const int shift = 64 - 8 * p.bytes;
    bits = is_signed ? static_cast<uint64_t>(static_cast<int64_t>(bits << shift) >> shift) : bits << shift >> shift;
  }
  std::string spec = "%" + p.flags;
  if (p.width >= 0) spec += std::to_string(p.width);
  if (p.precision >= 0) spec += "." + std::to_string(p.precision);
  spec += "ll";
  spec += p.conversion == 'i' ? 'd' : p.conversion;
  char buffer[kMaxWidth + 64];
  const int n = snprintf(buffer, sizeof buffer, spec.c_str(), bits);
  return n > 0 ? std::string(buffer, std::min<size_t>(n, sizeof buffer - 1)) : std::string();
}

std::string hex_bytes(std::string_view bytes, const char* separator) {
  std::string out;
  char buffer[4];
  for (size_t i = 0; i < bytes.size() && i < 64; i++) {
    snprintf(buffer, sizeof buffer, "%02x", static_cast<uint8_t>(bytes[i]));
    if (i) out += separator;
    out += buffer;
  }
  return out;
}

std::string ip4(std::string_view b) {
  std::string out;
  for (int i = 0; i < 4; i++) out += (i ? "." : "") + std::to_string(static_cast<uint8_t>(b[i]));
  return out;
}

std::string ip6(std::string_view b) {
  uint16_t word[8];
  for (int i = 0; i < 8; i++) word[i] = static_cast<uint8_t>(b[2 * i]) << 8 | static_cast<uint8_t>(b[2 * i + 1]);
  int best = -1, best_length = 1;  // the longest run of zeros becomes "::"
  for (int i = 0; i < 8; i++) {
    int n = 0;
    while (i + n < 8 && word[i + n] == 0) n++;
    if (n > best_length) best = i, best_length = n;
  }
  if (best == 0 && best_length == 5 && word[5] == 0xffff) return "::ffff:" + ip4(b.substr(12));
  std::string out;
  char buffer[8];
  for (int i = 0; i < 8; i++) {
    if (i == best) {
      out += "::";
      i += best_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    snprintf(buffer, sizeof buffer, "%x", word[i]);
    out += buffer;
  }
  return out;
}

std::string socket_address(std::string_view b) {
  if (b.size() < 8) return {};
  uint16_t family;
  memcpy(&family, b.data(), 2);
  const int port = static_cast<uint8_t>(b[2]) << 8 | static_cast<uint8_t>(b[3]);
  if (family == 2) return ip4(b.substr(4)) + ":" + std::to_string(port);
  if (family == 10 && b.size() >= 24) return "[" + ip6(b.substr(8)) + "]:" + std::to_string(port);
  return {};
}

// %pI4, %pM and the like on bytes in the record. Empty: not known.
std::string pointed(const Piece& p, const Result& r) {
  const std::string& kind = p.pointer;
  const std::string_view b = r.bytes;
  if (starts_with(kind, "IS") || starts_with(kind, "iS")) return socket_address(b);
  if (starts_with(kind, "I4") || starts_with(kind, "i4")) return b.size() >= 4 ? ip4(b) : "";
  if (starts_with(kind, "I6") || starts_with(kind, "i6")) return b.size() >= 16 ? ip6(b) : "";
  if (starts_with(kind, "M")) return b.size() >= 6 ? hex_bytes(b.substr(0, 6), ":") : "";
  if (starts_with(kind, "m")) return b.size() >= 6 ? hex_bytes(b.substr(0, 6), "") : "";
  if (starts_with(kind, "b")) return list_bits(b);
  if (starts_with(kind, "U") && b.size() >= 16) {
    return hex_bytes(b.substr(0, 4), "") + "-" + hex_bytes(b.substr(4, 2), "") + "-" + hex_bytes(b.substr(6, 2), "") +
           "-" + hex_bytes(b.substr(8, 2), "") + "-" + hex_bytes(b.substr(10, 6), "");
  }
  return {};
}

// %ps and %pS: the function at this address, %pS with the offset in it. Addresses of nothing stay numbers.
std::string function(const Piece& p, uint64_t address, const Symbols* symbols) {
  const char kind = p.pointer.empty() ? '\0' : p.pointer[0];
  if (!strchr("SsFfB", kind) || !kind || address < 1ull << 63) return pointer_text(address);
  return (symbols ? *symbols : Kallsyms::get()).name(address, kind == 'S' || kind == 'F' || kind == 'B');
}

// The value of a field with nothing known but its type.
std::string plain(const Field& field, const uint8_t* raw, uint32_t size) {
  if (field.is_text) return std::string(read_text(field, raw, size));
  if (field.where == Field::kInline && (field.size == 1 || field.size == 2 || field.size == 4 || field.size == 8)) {
    const int64_t v = read_integer(field, raw, size);
    if (field.type.find('*') != std::string::npos) return pointer_text(static_cast<uint64_t>(v));
    return field.is_signed ? std::to_string(v) : std::to_string(static_cast<uint64_t>(v));
  }
  return "{" + hex_bytes(read_bytes(field, raw, size), " ") + "}";
}

class ParsedFormat : public PrintFormat {
 public:
  ParsedFormat(ParsedPrint parsed, std::string_view text)
      : parsed_(std::move(parsed)), pieces_(split(parsed_.format)), text_(parsed_.unknown.empty() ? "" : text) {}

  std::string render(const EventFormat& format, const uint8_t* raw, uint32_t size) const override {
    learn_names(format);
    const RecordView record{format, raw, size};
    std::string out;
    size_t next = 0;
    for (const Piece& piece : pieces_) {
      out += piece.text;
      if (out.size() > kMaxLine) break;
      if (!piece.conversion) continue;
      Piece p = piece;
      if (p.width == -2) p.width = count(next++, record);
      if (p.precision == -2) p.precision = count(next++, record);
      // "%*pbl": the width is the number of bits, nothing to pad.
      if (p.conversion == 'p' && !p.pointer.empty() && p.pointer[0] == 'b') p.width = -1;
      out += show(p, next++, record);
    }
    if (out.size() > kMaxLine) out.resize(kMaxLine);
    return out;
  }

  std::string symbol(const EventFormat& format, std::string_view field, const uint8_t* raw,
                     uint32_t size) const override {
    learn_names(format);
    const RecordView record{format, raw, size};
    for (const PrintArgument& argument : parsed_.arguments) {
      if (find_table(parsed_.tree, argument.root, field) < 0) continue;
      Result r = evaluate(parsed_.tree, argument.root, record);
      return r.kind == Result::kText ? std::move(r.text) : std::string();
    }
    return {};
  }

  std::vector<std::pair<uint64_t, std::string>> table(std::string_view field) const override {
    for (const PrintArgument& argument : parsed_.arguments) {
      const int node = find_table(parsed_.tree, argument.root, field);
      if (node >= 0) return parsed_.tree[node].table;
    }
    return {};
  }

 private:
  int count(size_t index, const RecordView& record) const {
    if (index >= parsed_.arguments.size()) return -1;
    const Result r = evaluate(parsed_.tree, parsed_.arguments[index].root, record);
    if (r.kind != Result::kInteger || static_cast<int64_t>(r.value.bits) < 0) return -1;
    return static_cast<int>(std::min<uint64_t>(r.value.bits, kMaxWidth));
  }

  std::string show(const Piece& p, size_t index, const RecordView& record) const {
    if (index >= parsed_.arguments.size()) return {};
    const Result r = evaluate(parsed_.tree, parsed_.arguments[index].root, record);
    switch (p.conversion) {
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        if (r.kind == Result::kInteger) return number(p, r.value.bits);
        break;
      case 'c':
        if (r.kind == Result::kInteger) {
          const char c = static_cast<char>(r.value.bits);
          return pad(p, c ? std::string(1, c) : std::string());
        }
        break;
      case 's':
        if (r.kind == Result::kText) return pad(p, r.text);
        // An array of bytes shown as text, else the address of a text that is not in the record.
        if (r.kind == Result::kBytes && r.element == 1)
          return pad(p, std::string(r.bytes.substr(0, r.bytes.find('\0'))));
        if (r.kind == Result::kInteger) return pad(p, r.value.bits ? pointer_text(r.value.bits) : "(null)");
        break;
      case 'p':
        if (r.kind == Result::kInteger && (p.pointer.empty() || strchr("SsFfBxK", p.pointer[0])))
          return function(p, r.value.bits, record.format.symbols);
        if (r.kind == Result::kText) return pad(p, r.text);
        if (r.kind == Result::kBytes) {
          std::string text = pointed(p, r);
          if (!text.empty()) return pad(p, std::move(text));
        }
        break;
      default:
        break;
    }
    return fallback(parsed_.arguments[index], record);
  }

  static std::string fallback(const PrintArgument& argument, const RecordView& record) {
    std::string out;
    for (const std::string& name : argument.fields) {
      const Field* field = record.format.find(name);
      if (!field) continue;
      if (!out.empty()) out += ' ';
      out += name + "=" + plain(*field, record.raw, record.size);
    }
    return out.empty() ? "?" : out;
  }

  // Names without a value are looked up when something is printed at last: it takes milliseconds.
  void learn_names(const EventFormat& format) const {
    if (text_.empty()) return;
    std::call_once(learned_, [&] {
      const Enumerators known =
          format.symbols ? format.symbols->enumerators(parsed_.unknown) : kernel_enumerators(parsed_.unknown);
      if (!known.empty()) parsed_ = parse_print(text_, known);
    });
  }

  mutable ParsedPrint parsed_;
  std::vector<Piece> pieces_;
  const std::string text_;  // "": nothing to be learned
  mutable std::once_flag learned_;
};

}  // namespace

std::shared_ptr<const PrintFormat> parse_print_format(std::string_view text) {
  ParsedPrint parsed = parse_print(text);
  if (!parsed.valid) return nullptr;
  return std::make_shared<ParsedFormat>(std::move(parsed), text);
}

}  // namespace ktop
