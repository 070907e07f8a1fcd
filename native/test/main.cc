// native-tests [part of a name…]: runs the tests whose names hold one of the parts; all by default.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <vector>

#include "check.h"
#include "perf/transport.h"
#include "trace/tracefs.h"

namespace ktop_test {
namespace {

struct Test {
  const char* name;
  void (*body)();
};

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

int failures = 0, failures_of_test = 0;

bool wanted(const char* name, int argc, char** argv) {
  for (int i = 1; i < argc; i++)
    if (strstr(name, argv[i])) return true;
  return argc < 2;
}

}  // namespace

void add_test(const char* name, void (*body)()) { tests().push_back({name, body}); }

void fail(const char* file, int line, const std::string& what) {
  constexpr int kMostTold = 10;
  failures++;
  if (++failures_of_test > kMostTold) return;
  fprintf(stderr, "    %s:%d: %s\n", file, line, what.c_str());
}

std::string test_file(const std::string& name) { return ktop::read_file(std::string(KTOP_TEST_DIR) + "/" + name); }
bool is_root() { return geteuid() == 0; }

}  // namespace ktop_test

int main(int argc, char** argv) {
  using namespace ktop_test;
  int passed = 0, failed = 0;
  for (const Test& test : tests()) {
    if (!wanted(test.name, argc, argv)) continue;
    const int before = failures;
    failures_of_test = 0;
    try {
      test.body();
    } catch (const std::exception& e) {
      fail(test.name, 0, e.what());
    }
    if (failures == before) {
      passed++;
    } else {
      failed++;
      printf("FAIL %s\n", test.name);
    }
    fflush(stdout);
  }
  ktop::finish_closing();
  if (!is_root()) printf("not root: the tests on the live kernel were left out\n");
  printf("%d passed, %d failed\n", passed, failed);
  return failed ? 1 : 0;
}
