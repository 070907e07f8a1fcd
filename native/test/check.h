// A few macros to test with. A failed check is told and counted; the test goes on.
#pragma once
#include <functional>
#include <sstream>
#include <string>

namespace ktop_test {

void add_test(const char* name, void (*body)());
void fail(const char* file, int line, const std::string& what);

template <typename T>
std::string show(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}
inline std::string show(bool value) { return value ? "true" : "false"; }
inline std::string show(const std::string& value) { return '"' + value + '"'; }
inline std::string show(std::string_view value) { return '"' + std::string(value) + '"'; }
inline std::string show(uint8_t value) { return std::to_string(value); }

template <typename A, typename B>
void check_equal(const A& a, const B& b, const char* text, const char* file, int line) {
  if (!(a == b)) fail(file, line, std::string(text) + ": " + show(a) + " instead of " + show(b));
}

// A file of test/ (formats, corpora).
std::string test_file(const std::string& name);
bool is_root();

struct Registration {
  Registration(const char* name, void (*body)()) { add_test(name, body); }
};

}  // namespace ktop_test

#define TEST(name)                                                            \
  static void test_##name();                                                  \
  static const ::ktop_test::Registration register_##name(#name, test_##name); \
  static void test_##name()
#define CHECK(condition)                                                 \
  do {                                                                   \
    if (!(condition)) ::ktop_test::fail(__FILE__, __LINE__, #condition); \
  } while (0)
#define CHECK_EQ(a, b) ::ktop_test::check_equal((a), (b), #a, __FILE__, __LINE__)
#define CHECK_HAS(text, part)                                                                              \
  do {                                                                                                     \
    const std::string text_ = (text);                                                                      \
    if (text_.find(part) == std::string::npos)                                                             \
      ::ktop_test::fail(__FILE__, __LINE__,                                                                \
                        "no " + ::ktop_test::show(std::string(part)) + " in " + ::ktop_test::show(text_)); \
  } while (0)
