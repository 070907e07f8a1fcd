// Turns the arguments of a print fmt into expression trees. Works on hostile text in bounded memory and depth.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "expression.h"
#include "symbols/btf.h"

namespace ktop {

struct PrintArgument {
  int root = -1;                    // -1: not understood
  std::vector<std::string> fields;  // the fields it names, in the order of the text
};

struct ParsedPrint {
  bool valid = false;
  std::string format;  // the format string, escapes resolved
  Expressions tree;
  std::vector<PrintArgument> arguments;
  std::vector<std::string> unknown;  // names that stand for values nobody has told: enumerators, variables
};

// `known`: values of such names.
ParsedPrint parse_print(std::string_view text, const Enumerators& known = {});

}  // namespace ktop
