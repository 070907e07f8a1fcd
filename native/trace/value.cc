#include "value.h"

namespace ktop {

Value Value::make(uint64_t bits, bool wide, bool is_unsigned) {
  Value v;
  v.wide = wide;
  v.is_unsigned = is_unsigned;
  if (!wide) bits = is_unsigned ? static_cast<uint32_t>(bits) : static_cast<uint64_t>(static_cast<int32_t>(bits));
  v.bits = bits;
  return v;
}

Value apply_unary(char op, Value a) {
  switch (op) {
    case '~':
      return Value::make(~a.bits, a.wide, a.is_unsigned);
    case '-':
      return Value::make(0 - a.bits, a.wide, a.is_unsigned);
    case '!':
      return Value::make(a.bits == 0, false, false);
    default:
      return a;
  }
}

bool apply_binary(int op, Value a, Value b, Value* out) {
  const bool wide = a.wide || b.wide;
  const bool left_unsigned = a.is_unsigned;
  const bool shift = op == twin('<', '<') || op == twin('>', '>');
  // The usual conversions: the wider type wins, unsigned wins among equals.
  const bool is_unsigned = a.wide == b.wide ? a.is_unsigned || b.is_unsigned : (a.wide ? a.is_unsigned : b.is_unsigned);
  if (shift) {
    const uint64_t n = b.bits;
    if (n >= (a.wide ? 64u : 32u)) return false;
    uint64_t v = a.bits << n;
    if (op == twin('>', '>'))
      v = left_unsigned ? a.bits >> n : static_cast<uint64_t>(static_cast<int64_t>(a.bits) >> n);
    *out = Value::make(v, a.wide, a.is_unsigned);
    return true;
  }
  const uint64_t x = Value::make(a.bits, wide, is_unsigned).bits, y = Value::make(b.bits, wide, is_unsigned).bits;
  const int64_t sx = static_cast<int64_t>(x), sy = static_cast<int64_t>(y);
  const auto arithmetic = [&](uint64_t v) {
    *out = Value::make(v, wide, is_unsigned);
    return true;
  };
  const auto truth = [&](bool v) {
    *out = Value::make(v, false, false);
    return true;
  };
  switch (op) {
    case '+':
      return arithmetic(x + y);
    case '-':
      return arithmetic(x - y);
    case '*':
      return arithmetic(x * y);
    case '/':
    case '%':
      if (y == 0 || (!is_unsigned && sy == -1)) {
        if (y == 0) return false;
        return arithmetic(op == '/' ? 0 - x : 0);
      }
      if (is_unsigned) return arithmetic(op == '/' ? x / y : x % y);
      return arithmetic(static_cast<uint64_t>(op == '/' ? sx / sy : sx % sy));
    case '&':
      return arithmetic(x & y);
    case '|':
      return arithmetic(x | y);
    case '^':
      return arithmetic(x ^ y);
    case '<':
      return truth(is_unsigned ? x < y : sx < sy);
    case '>':
      return truth(is_unsigned ? x > y : sx > sy);
    case twin('<', '='):
      return truth(is_unsigned ? x <= y : sx <= sy);
    case twin('>', '='):
      return truth(is_unsigned ? x >= y : sx >= sy);
    case twin('=', '='):
      return truth(x == y);
    case twin('!', '='):
      return truth(x != y);
    case twin('&', '&'):
      return truth(x && y);
    case twin('|', '|'):
      return truth(x || y);
    default:
      return false;
  }
}

}  // namespace ktop
