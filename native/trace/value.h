// Integers as C computes with them.
#pragma once
#include <cstdint>

namespace ktop {

// A C integer after promotion: int, unsigned, long or unsigned long. Always kept normalised to its width.
struct Value {
  uint64_t bits = 0;
  bool wide = false;  // 64 bits
  bool is_unsigned = false;
  static Value make(uint64_t bits, bool wide, bool is_unsigned);
};

Value apply_unary(char op, Value a);
// False when the value is undefined (division by zero, a shift by more than the width).
bool apply_binary(int op, Value a, Value b, Value* out);

// Two-character operators are written as twin('<', '<').
constexpr int twin(char a, char b) { return a << 8 | b; }

}  // namespace ktop
