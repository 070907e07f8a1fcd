#include "engine/expr.h"

#include <map>
#include <random>

#include "test/feed.h"

using namespace ktop_test;

namespace {

struct Bench {
  Strings strings;
  Tasks tasks{strings};
  Scope scope{strings, tasks, {}};
  std::unique_ptr<EventFormat> format = made_format("probe", {"a", "b", "rwbs[16]"});
  uint8_t raw[64] = {};
  Bench(int64_t a, int64_t b, const char* rwbs) {
    std::memcpy(raw + format->find("a")->offset, &a, 8);
    std::memcpy(raw + format->find("b")->offset, &b, 8);
    std::strncpy(reinterpret_cast<char*>(raw) + format->find("rwbs")->offset, rwbs, 15);
  }
  int64_t eval(const std::string& text) {
    Record record;
    record.time = 100;
    record.cpu = 3;
    record.tid = 77;
    record.raw = raw;
    record.size = sizeof raw;
    return Expr::compile(text, format.get(), scope).eval(record, scope);
  }
  std::string why(const std::string& text) {
    try {
      eval(text);
    } catch (const Failure& failure) {
      return failure.what();
    }
    return "accepted";
  }
};

}  // namespace

TEST(expressions_follow_c) {
  Bench bench(-5, 12, "WS");
  const std::pair<const char*, int64_t> cases[] = {{"a", -5},
                                                   {"a + b * 2", 19},
                                                   {"(a + b) * 2", 14},
                                                   {"b << 2 | 1", 49},
                                                   {"b / 5 % 2", 0},
                                                   {"-a", 5},
                                                   {"!a", 0},
                                                   {"!!a", 1},
                                                   {"~b", -13},
                                                   {"a < b && b >= 12", 1},
                                                   {"a > 0 || b == 12", 1},

                                                   {"a > 0 ? 1 : b > 0 ? 2 : 3", 2},
                                                   {"b & 4 ? 10 : 20", 10},
                                                   {"b ^ 1", 13},
                                                   {"0x10 + 010", 24},
                                                   {"b != 12", 0},
                                                   {"b / 0", 0},
                                                   {"oneof(b, 3, 12, 100)", 1},
                                                   {"!oneof(a + 1, 0x10, 7)", 1},
                                                   {"b % 0", 0},
                                                   {"1 << 64", 0},
                                                   {"$cpu * 100 + $tid", 377},
                                                   {"has(rwbs, \"W\")", 1},
                                                   {"has(rwbs, \"R\")", 0},
                                                   {"first(0, a > 0, b)", 12},
                                                   {"maybe(absent)", 0},
                                                   {"maybe(b)", 12},
                                                   {"given(b)", 1},
                                                   {"given(absent) ? 7 : 8", 8},
                                                   {"1 || a && 0", 1}};
  for (auto& [text, value] : cases) CHECK_EQ(bench.eval(text), value);
}

TEST(expressions_say_what_is_wrong) {
  Bench bench(0, 0, "");
  CHECK_HAS(bench.why("success == 1"), "event made:probe has no field \"success\"; its fields are a, b, rwbs");
  CHECK_HAS(bench.why("a +"), "a field, a number or \"(\" expected");
  CHECK_HAS(bench.why("a b"), "unexpected \"b\"");
  CHECK_HAS(bench.why("(a"), "\")\" expected");
  CHECK_HAS(bench.why("recall(nothing, a)"), "nothing remembers");
  CHECK_HAS(bench.why("has(a, \"x\")"), "is a number, not text");
  CHECK_HAS(bench.why("$what"), "unknown variable");
  CHECK_HAS(bench.why("99999999999999999999999"), "out of range");
  CHECK_HAS(bench.why(std::string(5000, '(')), "nested too deeply");
  CHECK_HAS(bench.why(std::string(5000, '-') + "1"), "nested too deeply");
  std::string long_chain = "a";
  for (int i = 0; i < 300; i++) long_chain += "+a";
  CHECK_EQ(bench.eval(long_chain), 0);
  std::string wide = "a";
  for (int i = 0; i < 20; i++) wide = "a|(a^(a&(a==(a<(a<<(a+(a*" + wide + "))))))";
  CHECK(bench.why(wide) != "accepted");
}

TEST(memo_forgets) {
  Memo memo(1000);
  memo.put(1, 42, 100);
  CHECK_EQ(memo.get(1, 1100), 42);
  CHECK_EQ(memo.get(1, 1101), 0);
  CHECK_EQ(memo.get(2, 100), 0);
  for (int64_t key = 0; key < 200000; key++) memo.put(key, key + 1, 200);
  CHECK_EQ(memo.get(199999, 200), 200000);
}

TEST(memo_remembers_as_a_map_does) {
  std::mt19937_64 random(1);
  Memo memo(1000);
  std::map<int64_t, std::pair<int64_t, Nanos>> oracle;
  Nanos now = 0;
  for (int i = 0; i < 50000; i++) {
    now += random() % 3;
    const int64_t key = static_cast<int64_t>(random() % 5000) * 64 - 1000;
    if (random() % 2) {
      oracle[key] = {i, now};
      memo.put(key, i, now);
      continue;
    }
    const auto found = oracle.find(key);
    const bool known = found != oracle.end() && now - found->second.second <= 1000;
    CHECK_EQ(memo.get(key, now), known ? found->second.first : 0);
  }
}

TEST(equal_texts_have_equal_ids) {
  std::mt19937_64 random(2);
  Strings strings;
  std::map<std::string, uint32_t> oracle;
  for (int i = 0; i < 50000; i++) {
    std::string text(random() % 20, 'a');
    for (char& c : text) c = static_cast<char>(random() % 3 ? 0 : 'a' + random() % 2);
    const auto [at, fresh] = oracle.emplace(text, strings.id(text));
    CHECK_EQ(strings.id(text), at->second);
    CHECK_EQ(strings.text(at->second), text);
  }
  CHECK_EQ(strings.id(""), 0u);
}

TEST(a_task_without_ids_is_a_task) {
  Strings strings;
  Tasks tasks{strings};
  CHECK_EQ(tasks.pid(UINT32_MAX), UINT32_MAX);
}
