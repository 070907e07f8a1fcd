// Filters as the kernel would apply them.
#include "trace/event_filter.h"

#include "check.h"
#include "feed.h"
#include "symbols/kallsyms.h"

using namespace ktop;
using namespace ktop_test;

namespace {

const Kallsyms& symbols() {
  static const Kallsyms table(std::string_view("ffffffff81000000 T first\nffffffff81000100 T second\n"));
  return table;
}

// An event of the fields n, u (8 bytes, signed) and name[16].
struct Made {
  std::unique_ptr<EventFormat> format = made_format("made", {"n", "u", "name[16]"});
  uint8_t raw[64] = {};
  Made(int64_t n, const std::string& name) {
    for (Field& field : format->fields)
      if (field.name == "u") field.is_signed = false;
    memcpy(raw + 8, &n, 8);
    memcpy(raw + 16, &n, 8);
    name.copy(reinterpret_cast<char*>(raw) + 24, 15);
  }
  bool passes(const std::string& text, uint32_t cpu = 0, const std::string& comm = "") const {
    const EventFilter filter = EventFilter::compile(text, *format, symbols());
    return filter.passes(raw, sizeof raw, cpu, [&]() -> std::string_view { return comm; });
  }
  std::string failure(const std::string& text) const {
    try {
      passes(text);
    } catch (const Failure& failure) {
      CHECK_EQ(static_cast<int>(failure.kind), static_cast<int>(Failure::kUsage));
      return failure.what();
    }
    return "none";
  }
};

}  // namespace

TEST(filter_compares_numbers) {
  const Made event(5, "");
  CHECK(event.passes("n==5"));
  CHECK(event.passes("n == 0x5"));
  CHECK(!event.passes("n != 5"));
  CHECK(event.passes("n > 4 && n < 6 && n >= 5 && n <= 5"));
  CHECK(event.passes("n & 4"));
  CHECK(!event.passes("n&2"));
  const Made negative(-5, "");
  CHECK(negative.passes("n < 0"));
  CHECK(negative.passes("n == -5"));
  CHECK(!negative.passes("u < 0"));
  CHECK(negative.passes("u > 1000"));
}

TEST(filter_binds_and_closer_than_or) {
  const Made event(5, "");
  CHECK(event.passes("n==5 || n==6 && n==7"));
  CHECK(event.passes("n==7 && n==6 || n==5"));
  CHECK(!event.passes("(n==5 || n==6) && n==7"));
  CHECK(event.passes("!(n==6) && !n==7"));
  CHECK(event.passes("((((n==5))))"));
}

TEST(filter_compares_texts) {
  const Made event(1, "kworker/0:1");
  CHECK(event.passes("name == \"kworker/0:1\""));
  CHECK(!event.passes("name == \"kworker\""));
  CHECK(event.passes("name != 'kworker'"));
  CHECK(event.passes("name ~ \"kworker*\""));
  CHECK(event.passes("name ~ \"*/0:?\""));
  CHECK(event.passes("name ~ \"*work*\""));
  CHECK(event.passes("name ~ \"k[a-z]orker*\""));
  CHECK(!event.passes("name ~ \"k[!a-z]orker*\""));
  CHECK(!event.passes("name ~ \"worker*\""));
  CHECK(!event.passes("!(name ~ \"*1\")"));
  CHECK(event.passes("name==kworker/0:1&&n==1"));
}

TEST(filter_knows_cpu_comm_and_functions) {
  const Made event(static_cast<int64_t>(0xffffffff81000020), "");
  CHECK(event.passes("cpu == 3", 3));
  CHECK(event.passes("CPU & CPUS{0-1,3}", 3));
  CHECK(!event.passes("CPU & CPUS{0-1,3}", 2));
  CHECK(event.passes("CPU != CPUS{0-1}", 2));
  CHECK(event.passes("comm == \"me\"", 0, "me"));
  CHECK(event.passes("COMM ~ \"m*\"", 0, "me"));
  CHECK(!event.passes("comm ~ \"x*\"", 0, "me"));
  CHECK(event.passes("n.function == first"));
  CHECK(event.passes("n.function != second"));
  CHECK(event.passes("common_pid == 0"));
}

TEST(filter_says_what_is_wrong_with_it) {
  const Made event(1, "a");
  CHECK_HAS(event.failure("nothing == 1"), "the event has no field \"nothing\"");
  CHECK_HAS(event.failure("n"), "a comparison such as == is missing");
  CHECK_HAS(event.failure("n =="), "a number is missing");
  CHECK_HAS(event.failure("n == 1 garbage"), "\"garbage\" is not expected");
  CHECK_HAS(event.failure("(n == 1"), "a \")\" is missing");
  CHECK_HAS(event.failure("n ~ 1"), "~ is for texts");
  CHECK_HAS(event.failure("name > \"a\""), "texts are compared with ==");
  CHECK_HAS(event.failure("name == \"a"), "a closing quote is missing");
  CHECK_HAS(event.failure("n == \"a\""), "holds no text");
  CHECK_HAS(event.failure("n.function == nowhere"), "where \"nowhere\" was is not known");
  CHECK_HAS(event.failure("name.ustring == \"a\""), "only a kernel can follow");
  CHECK_HAS(event.failure("cpu & CPUS{0-"), "a \"}\" is missing");
  CHECK_HAS(event.failure("cpu & CPUS{9999999}"), "is no list of CPUs");
  CHECK_HAS(event.failure(""), "a field is missing");
  CHECK_HAS(event.failure(std::string(200, '(')), "nested too deeply");
  CHECK_HAS(event.failure(std::string(200, '!') + "n==1"), "nested too deeply");
}

TEST(filter_globs_as_the_kernel_does) {
  const std::tuple<const char*, const char*, bool> cases[] = {{"", "", true},
                                                              {"", "a", false},
                                                              {"*", "", true},
                                                              {"*", "abc", true},
                                                              {"a*c", "abbbc", true},
                                                              {"a*c", "abbb", false},
                                                              {"a*b*c", "aXbYc", true},
                                                              {"?", "a", true},
                                                              {"?", "", false},
                                                              {"[abc]", "b", true},
                                                              {"[!abc]", "b", false},
                                                              {"[!abc]", "x", true},
                                                              {"[a-c]x", "bx", true},
                                                              {"[]a]", "]", true},
                                                              {"[a", "[a", true},
                                                              {"\\*", "*", true},
                                                              {"\\*", "a", false},
                                                              {"*ab", "aab", true},
                                                              {"*a?b*", "xxaybzz", true},
                                                              {"a**b", "ab", true},
                                                              {"abc", "abcd", false}};
  for (auto& [pattern, text, wanted] : cases)
    if (glob_matches(pattern, text) != wanted) CHECK_EQ(std::string(pattern) + " " + text, "");
}
