#include "print_parser.h"

#include <algorithm>

#include "print_lexer.h"

namespace ktop {
namespace {

constexpr size_t kMaxNodes = 20000, kMaxArguments = 256, kMaxTable = 8192;
constexpr size_t kMaxNames = 16, kMaxUnknown = 512;
constexpr int kMaxDepth = 120;
constexpr uint16_t kMaxHeight = 200;

void add_name(std::string_view text, std::vector<std::string>* names) {
  const std::string_view name = take_identifier(text);
  if (name.empty() || names->size() >= kMaxNames) return;
  if (std::find(names->begin(), names->end(), name) == names->end()) names->emplace_back(name);
}

// The fields that a piece of text names.
std::vector<std::string> fields_in(std::string_view text) {
  std::vector<std::string> names;
  for (size_t at = 0; (at = text.find("REC->", at)) != text.npos; at += 5) add_name(text.substr(at + 5), &names);
  for (size_t at = 0; (at = text.find("__get_", at)) != text.npos; at += 6) {
    const size_t open = text.find('(', at);
    if (open != text.npos) add_name(trim(text.substr(open + 1)), &names);
  }
  return names;
}

class Parser : PrintLexer {
 public:
  Parser(std::string_view text, const Enumerators& known, ParsedPrint* out)
      : PrintLexer(text), known_(known), out_(*out) {}

  void run() {
    if (!string(&out_.format)) return;
    out_.valid = true;
    while (accept(",") && out_.arguments.size() < kMaxArguments) {
      const std::string_view before = rest_;
      failed_ = false;
      depth_ = 0;
      const size_t nodes = out_.tree.size();
      PrintArgument argument;
      argument.root = ternary();
      skip();
      if (failed_ || !(rest_.empty() || rest_[0] == ',')) {
        out_.tree.resize(nodes);
        argument.root = -1;
        rest_ = before;
        skip_argument();
      }
      argument.fields = fields_in(before.substr(0, before.size() - rest_.size()));
      out_.arguments.push_back(std::move(argument));
    }
  }

 private:
  // --- nodes ---
  int add(Expression e) {
    for (int child : {e.a, e.b, e.c})
      if (child >= 0) e.height = std::max<uint16_t>(e.height, out_.tree[child].height + 1);
    if (failed_ || out_.tree.size() >= kMaxNodes || e.height > kMaxHeight) {
      fail();
      return -1;
    }
    out_.tree.push_back(std::move(e));
    return static_cast<int>(out_.tree.size()) - 1;
  }
  int add(Expression::Kind kind, int a = -1, int b = -1, int c = -1) {
    Expression e;
    e.kind = kind;
    e.a = a, e.b = b, e.c = c;
    return add(std::move(e));
  }
  int add_text(Expression::Kind kind, std::string_view text) {
    Expression e;
    e.kind = kind;
    e.text = std::string(text);
    return add(std::move(e));
  }
  int add_number(Value value) {
    Expression e;
    e.kind = Expression::kNumber;
    e.value = value;
    return add(std::move(e));
  }
  bool number_at(int node, Value* out) const {
    if (node < 0 || out_.tree[node].kind != Expression::kNumber) return false;
    *out = out_.tree[node].value;
    return true;
  }
  // Replaces the nodes from `first` on by one number: keeps big constant expressions (GFP masks) from growing the tree.
  int fold(size_t first, Value value) {
    out_.tree.resize(first);
    return add_number(value);
  }

  // --- grammar, loosest binding first ---
  struct Nest {
    explicit Nest(Parser* p) : parser(p) {
      if (++parser->depth_ > kMaxDepth) parser->fail();
    }
    ~Nest() { parser->depth_--; }
    Parser* parser;
  };

  int ternary() {
    Nest nest(this);
    const size_t first = out_.tree.size();
    const int a = binary(0);
    if (failed_ || !accept("?")) return a;
    int b = a;
    if (!accept(":")) {
      b = ternary();
      if (failed_ || !expect(":")) return -1;
    }
    const int c = ternary();
    if (failed_) return -1;
    Value condition, chosen;
    if (number_at(a, &condition) && number_at(condition.bits ? b : c, &chosen)) return fold(first, chosen);
    return add(Expression::kTernary, a, b, c);
  }

  // The binary operator at the front and how tightly it binds; 0 = none.
  int binary_operator(int* strength) {
    static const struct {
      const char* text;
      int strength;
    } kOperators[] = {{"||", 1}, {"&&", 2}, {"==", 6}, {"!=", 6}, {"<=", 7}, {">=", 7},
                      {"<<", 8}, {">>", 8}, {"|", 3},  {"^", 4},  {"&", 5},  {"<", 7},
                      {">", 7},  {"+", 9},  {"-", 9},  {"*", 10}, {"/", 10}, {"%", 10}};
    skip();
    for (const auto& op : kOperators) {
      if (!starts_with(rest_, op.text)) continue;
      *strength = op.strength;
      return op.text[1] ? twin(op.text[0], op.text[1]) : op.text[0];
    }
    return 0;
  }

  int binary(int least) {
    Nest nest(this);
    const size_t first = out_.tree.size();
    int a = unary();
    while (!failed_) {
      int strength = 0;
      const int op = binary_operator(&strength);
      if (!op || strength <= least) break;
      rest_.remove_prefix(op > 255 ? 2 : 1);
      const int b = binary(strength);
      if (failed_) return -1;
      Value x, y, v;
      if (number_at(a, &x) && number_at(b, &y) && apply_binary(op, x, y, &v)) {
        a = fold(first, v);
        continue;
      }
      Expression e;
      e.kind = Expression::kBinary;
      e.op = op;
      e.a = a, e.b = b;
      a = add(std::move(e));
    }
    return failed_ ? -1 : a;
  }

  int unary() {
    Nest nest(this);
    if (failed_) return -1;
    skip();
    if (rest_.empty()) return fail(), -1;
    const char op = rest_[0];
    if (op == '~' || op == '!' || op == '-' || op == '+' || op == '&') {
      rest_.remove_prefix(1);
      const size_t first = out_.tree.size();
      const int a = unary();
      if (failed_) return -1;
      Value v;
      if (op != '&' && number_at(a, &v)) return fold(first, apply_unary(op, v));
      Expression e;
      e.kind = Expression::kUnary;
      e.op = op;
      e.a = a;
      return add(std::move(e));
    }
    if (op == '*') {
      rest_.remove_prefix(1);
      const int a = unary();
      return failed_ ? -1 : add(Expression::kDereference, a);
    }
    if (op == '(') {
      const std::string_view before = rest_;
      const CType type = cast_type();
      if (type.size) return cast(type);
      rest_ = before;
    }
    return postfix(primary());
  }

  int cast(CType type) {
    const size_t first = out_.tree.size();
    const int a = unary();
    if (failed_) return -1;
    Value v;
    if (number_at(a, &v)) {
      const int shift = 64 - 8 * type.size;
      uint64_t bits = v.bits << shift;
      bits =
          type.is_signed && !type.pointer ? static_cast<uint64_t>(static_cast<int64_t>(bits) >> shift) : bits >> shift;
      return fold(first, Value::make(type.pointer ? v.bits : bits, type.pointer || type.size == 8,
                                     type.pointer || (!type.is_signed && type.size >= 4)));
    }
    Expression e;
    e.kind = type.pointer ? Expression::kPointerCast : Expression::kCast;
    e.element = type.size;
    e.is_signed = type.is_signed;
    e.a = a;
    return add(std::move(e));
  }

  // "(type)" or "(type *)" at the front. size 0 when it is something else.
  CType cast_type() {
    if (!accept("(")) return {};
    CType type = type_name();
    if (!accept(")")) return {};
    if (type.size) return type;
    return {};
  }

  int postfix(int a) {
    while (!failed_ && accept("[")) {
      const int index = ternary();
      if (failed_ || !expect("]")) return -1;
      a = add(Expression::kIndex, a, index);
    }
    return failed_ ? -1 : a;
  }

  int primary() {
    skip();
    if (rest_.empty()) return fail(), -1;
    const char c = rest_[0];
    if (c == '(') {
      rest_.remove_prefix(1);
      const int a = ternary();
      if (failed_ || !expect(")")) return -1;
      return a;
    }
    if (c == '"') {
      std::string text;
      if (!string(&text)) return fail(), -1;
      return add_text(Expression::kText, text);
    }
    if (is_digit(c)) {
      Value v;
      return number(&v) ? add_number(v) : -1;
    }
    if (c == '\'') {
      rest_.remove_prefix(1);
      if (rest_.empty()) return fail(), -1;
      char v = rest_[0];
      rest_.remove_prefix(1);
      if (v == '\\' && !escape(&v)) return fail(), -1;
      if (!expect("'")) return -1;
      return add_number(Value::make(static_cast<uint64_t>(v), false, false));
    }
    const std::string_view word = identifier();
    if (word.empty()) return fail(), -1;
    if (word == "REC") {
      if (!expect("->")) return -1;
      const std::string_view field = identifier();
      if (field.empty()) return fail(), -1;
      return add_text(Expression::kField, field);
    }
    skip();
    if (!rest_.empty() && rest_[0] == '(') return call(word);
    if (word == "true" || word == "false") return add_number(Value::make(word == "true", false, false));
    if (word == "NULL") return add_number(Value::make(0, true, true));
    return enumerator(word);
  }

  // What the kernel left as a name.
  int enumerator(std::string_view name) {
    if (const auto found = known_.find(name); found != known_.end()) {
      const int64_t v = found->second;
      // C gives an enumerator the type int when it fits.
      const bool is_int = v >= INT32_MIN && v <= INT32_MAX, is_unsigned = !is_int && v >= 0 && v <= UINT32_MAX;
      return add_number(Value::make(static_cast<uint64_t>(v), !is_int && !is_unsigned, is_unsigned));
    }
    if (out_.unknown.size() < kMaxUnknown &&
        std::find(out_.unknown.begin(), out_.unknown.end(), name) == out_.unknown.end())
      out_.unknown.emplace_back(name);
    return add(Expression::kUnknown);
  }

  // name(...): the helpers of trace events. Anything else fails the argument.
  int call(std::string_view name) {
    Nest nest(this);
    if (failed_ || !expect("(")) return -1;
    int node = -1;
    if (any_of(name, {"__get_str", "__get_rel_str", "__get_dynamic_array", "__get_rel_dynamic_array", "__get_sockaddr",
                      "__get_rel_sockaddr"})) {
      node = add_text(Expression::kField, identifier());
    } else if (any_of(name, {"__get_bitmask", "__get_rel_bitmask", "__get_cpumask", "__get_rel_cpumask"})) {
      node = add_text(Expression::kMask, identifier());
    } else if (any_of(name, {"__get_dynamic_array_len", "__get_rel_dynamic_array_len"})) {
      node = add_text(Expression::kFieldLength, identifier());
    } else if (any_of(name, {"__print_symbolic", "__print_symbolic_u64", "__print_symbolic64"})) {
      node = print_table(Expression::kSymbolic);
    } else if (any_of(name, {"__print_flags", "__print_flags_u64", "__print_flags64"})) {
      node = print_table(Expression::kFlags);
    } else if (any_of(name, {"__print_hex", "__print_hex_str"})) {
      int part[2];
      if (!parts(part, 2)) return -1;
      node = add(Expression::kHex, part[0], part[1]);
      if (node >= 0 && name == "__print_hex") out_.tree[node].text = " ";
    } else if (name == "__print_array") {
      int part[3];
      if (!parts(part, 3)) return -1;
      node = add(Expression::kArray, part[0], part[1], part[2]);
    } else if (name == "__print_ns_to_secs") {
      const int a = ternary();
      if (failed_) return -1;
      node = add(Expression::kSeconds, a);
    } else if (name == "__builtin_expect") {
      int part[2];
      if (!parts(part, 2)) return -1;
      node = part[0];
    } else if (name == "sizeof") {
      node = size_of();
    } else {
      fail();
    }
    return !failed_ && expect(")") ? node : -1;
  }

  // a, b, …
  bool parts(int* out, int n) {
    for (int i = 0; i < n; i++) {
      if (i && !expect(",")) return false;
      out[i] = ternary();
      if (failed_) return false;
    }
    return true;
  }

  int size_of() {
    if (accept("REC->")) return add_text(Expression::kFieldLength, identifier());
    if (accept("struct in6_addr")) return add_number(Value::make(16, true, true));
    const CType type = type_name();
    if (!type.size) return fail(), -1;
    return add_number(Value::make(type.pointer ? 8 : type.size, true, true));
  }

  // After "__print_symbolic(" or "__print_flags(": value, [delimiter,] { number, "name" }, …
  int print_table(Expression::Kind kind) {
    Expression e;
    e.kind = kind;
    e.a = ternary();
    if (failed_) return -1;
    if (kind == Expression::kFlags) {
      if (!expect(",")) return -1;
      if (!string(&e.text)) return fail(), -1;
    }
    while (accept(",")) {
      if (!accept("{")) return fail(), -1;
      if (accept("}")) continue;
      const size_t first = out_.tree.size();
      const int number_node = ternary();
      if (failed_ || !expect(",")) return -1;
      std::string name;
      if (!string(&name)) {
        ternary();  // ((void *)0): the end marker that some tables bring along
        if (failed_) return -1;
      } else {
        Value v;
        if (number_at(number_node, &v)) e.table.emplace_back(v.bits, std::move(name));
      }
      out_.tree.resize(first);
      accept(",");
      if (!expect("}") || e.table.size() > kMaxTable) return fail(), -1;
    }
    return add(std::move(e));
  }

  const Enumerators& known_;
  ParsedPrint& out_;
  int depth_ = 0;
};

}  // namespace

ParsedPrint parse_print(std::string_view text, const Enumerators& known) {
  ParsedPrint parsed;
  if (text.size() > (1u << 20)) return parsed;
  Parser(text, known, &parsed).run();
  return parsed;
}

}  // namespace ktop
