// track, addresses, and the arguments of programs.
#include <arpa/inet.h>
#include <netinet/in.h>

#include "engine/address_text.h"
#include "engine/arguments.h"
#include "test/feed.h"

using namespace ktop_test;

namespace {

OperatorSpec things() {
  OperatorSpec spec = op("track", "things");
  spec.on = {{"open", "", "start", "", {{"id", "id"}}, {}, {{"who", "$who:task"}, {"name", "name"}, {"size", "size"}}},
             {"use", "", "set", "bytes > 0", {{"id", "id"}}, {{"bytes", "bytes"}}, {{"last", "$time"}}},
             {"found", "", "seen", "", {{"id", "id"}}, {}, {{"size", "size"}}},
             {"close", "", "end", "", {{"id", "id"}}, {}, {{"code", "code"}}}};
  return spec;
}

Feed feed_of(OperatorSpec spec) {
  return Feed(plan_of({std::move(spec)}),
              these(made_format("open", {"id", "size", "name[16]"}), made_format("use", {"id", "bytes"}),
                    made_format("found", {"id", "size"}), made_format("close", {"id", "code"})));
}

// What the kernel builds: argc, pointers, null, the environment's, null, a gap, the texts.
struct Built {
  std::vector<uint8_t> bytes;
  std::string cmdline;
  UserStack stack;
};

Built built(const std::vector<std::string>& words, size_t gap, size_t taken = SIZE_MAX, bool narrow = false) {
  Built out;
  const uint64_t base = narrow ? 0xffe00000 : 0x7ffe00000000;
  const size_t word = narrow ? 4 : 8;
  const size_t texts = (1 + words.size() + 1 + 1 + 1) * word + gap;
  out.bytes.resize(texts);
  const auto put = [&](size_t index, uint64_t value) { std::memcpy(&out.bytes[index * word], &value, word); };
  put(0, words.size());
  for (size_t i = 0; i < words.size(); i++) {
    put(1 + i, base + out.bytes.size());
    out.bytes.insert(out.bytes.end(), words[i].begin(), words[i].end());
    out.bytes.push_back(0);
    out.cmdline += words[i] + '\0';
  }
  put(2 + words.size(), base + out.bytes.size());
  for (char c : std::string("HOME=/")) out.bytes.push_back(static_cast<uint8_t>(c));
  out.bytes.push_back(0);
  out.stack = {base, out.bytes.data(), static_cast<uint32_t>(std::min(taken, out.bytes.size())), narrow};
  return out;
}

std::string address(int family, const char* text, uint16_t port) {
  std::string bytes(28, '\0');
  const uint16_t kind = static_cast<uint16_t>(family), net = htons(port);
  std::memcpy(&bytes[0], &kind, 2);
  std::memcpy(&bytes[2], &net, 2);
  inet_pton(family, text, &bytes[family == AF_INET ? 4 : 8]);
  return bytes;
}

}  // namespace

TEST(a_thing_has_one_row_from_its_first_event_to_its_last) {
  Feed feed = feed_of(things());
  feed.event(0, 100, {7, 0, 0, {}}, {{"id", 1}, {"size", 5}}, {{"name", "one"}});
  feed.event(1, 150, {}, {{"id", 1}, {"bytes", 10}});
  feed.event(1, 160, {}, {{"id", 1}, {"bytes", 20}});
  feed.event(1, 170, {}, {{"id", 1}, {"bytes", -1}});  // not counted
  feed.event(1, 170, {}, {{"id", 2}, {"bytes", 20}});  // of nothing that is known
  SnapshotData out = feed.snapshot(200);
  CHECK_EQ(table(out, "things").length, 1u);
  CHECK_EQ(cell(table(out, "things"), "id", "1", "name"), "one");
  CHECK_EQ(cell(table(out, "things"), "id", "1", "bytes"), "30");
  CHECK_EQ(cell(table(out, "things"), "id", "1", "last"), "160");
  CHECK_EQ(cell(table(out, "things"), "id", "1", "age_ns"), "100");
  CHECK_EQ(cell(table(out, "things"), "id", "1", "ended"), "0");
  CHECK_EQ(cell(table(out, "things"), "id", "1", "code"), "-");
  feed.event(3, 250, {}, {{"id", 1}, {"code", 3}});
  feed.event(1, 260, {}, {{"id", 1}, {"bytes", 20}});
  out = feed.snapshot(300);
  CHECK_EQ(cell(table(out, "things"), "id", "1", "age_ns"), "150");
  CHECK_EQ(cell(table(out, "things"), "id", "1", "ended"), "1");
  CHECK_EQ(cell(table(out, "things"), "id", "1", "code"), "3");
  CHECK_EQ(cell(table(out, "things"), "id", "1", "bytes"), "30");
  // It was told of, once.
  CHECK_EQ(table(feed.snapshot(400), "things").length, 0u);
}

TEST(a_second_start_ends_the_first) {
  Feed feed = feed_of(things());
  feed.event(0, 100, {7, 0, 0, {}}, {{"id", 1}}, {{"name", "one"}});
  feed.event(0, 130, {7, 0, 0x10, {}}, {{"id", 1}}, {{"name", "two"}});
  const SnapshotData out = feed.snapshot(200);
  CHECK_EQ(table(out, "things").length, 2u);
  CHECK_EQ(cell(table(out, "things"), "name", "one", "replaced"), "1");
  CHECK_EQ(cell(table(out, "things"), "name", "one", "age_ns"), "30");
  CHECK_EQ(cell(table(out, "things"), "name", "two", "ended"), "0");
  CHECK_EQ(cell(table(out, "things"), "name", "two", "who"), "[softirq]");
}

TEST(what_is_met_on_its_way_has_begun_before) {
  Feed feed = feed_of(things());
  feed.event(2, 100, {}, {{"id", 4}, {"size", 9}});
  feed.event(2, 150, {}, {{"id", 4}, {"size", 8}});
  const SnapshotData out = feed.snapshot(200);
  CHECK_EQ(cell(table(out, "things"), "id", "4", "at_least"), "1");
  CHECK_EQ(cell(table(out, "things"), "id", "4", "size"), "8");
  CHECK_EQ(cell(table(out, "things"), "id", "4", "name"), "");
}

TEST(rows_over_a_loss_and_over_the_cap_are_said) {
  OperatorSpec spec = things();
  spec.cap = 2;
  Feed feed = feed_of(spec);
  for (int64_t id : {1, 2, 3}) feed.event(0, 100 + static_cast<Nanos>(id), {}, {{"id", id}});
  SnapshotData out = feed.snapshot(200);
  CHECK_EQ(table(out, "things").length, 2u);
  CHECK_EQ(out.notes.at(0), "things: more than 2 rows; 1 more began and are not shown");
  feed.pipeline->on_lost({0, 210, 220, 1});
  feed.event(3, 230, {}, {{"id", 2}, {"code", 0}});
  feed.event(0, 240, {}, {{"id", 5}});
  out = feed.snapshot(300);
  CHECK_EQ(table(out, "things").length, 2u);  // the one that is known to have ended, and the new one
  CHECK_EQ(cell(table(out, "things"), "id", "2", "ended"), "1");
  CHECK_EQ(out.notes.at(0), "things: events were lost: 1 rows that may have ended are not shown");
}

TEST(arguments_lie_on_the_new_stack) {
  const std::vector<std::string> words = {"/bin/ls", "a b", "it's", "", "-l", "\xc3\xa4"};
  const std::string text = "/bin/ls 'a b' 'it'\\''s' '' -l \xc3\xa4";
  for (bool narrow : {false, true}) {
    const Built all = built(words, 5000, SIZE_MAX, narrow);
    CHECK(has_arguments(all.stack));
    CHECK_EQ(arguments_of(all.stack, ""), text);
    const Built cut = built(words, 5000, 4096, narrow);
    CHECK(!has_arguments(cut.stack));
    CHECK_EQ(arguments_of(cut.stack, ""), "");
    CHECK_EQ(arguments_of(cut.stack, cut.cmdline), text);
    // Another program's: more of them, or of other lengths.
    CHECK_EQ(arguments_of(cut.stack, cut.cmdline + "x" + '\0'), "");
    std::string other = cut.cmdline;
    other.erase(2, 1);
    CHECK_EQ(arguments_of(cut.stack, other), "");
  }
  CHECK_EQ(arguments_of(built(words, 0).cmdline), text);
}

TEST(a_stack_that_is_none_has_no_arguments) {
  Built one = built({"a", "b"}, 16);
  for (uint32_t size = 0; size < one.stack.size; size++) {
    UserStack less = one.stack;
    less.size = size;
    const std::string text = arguments_of(less, "");
    CHECK(text.empty() || text == "a b");
  }
  one.bytes[7] = 0x80;  // argc beyond all bounds
  CHECK_EQ(arguments_of(one.stack, one.cmdline), "");
  Built back = built({"a", "b"}, 16);
  std::memset(&back.bytes[8], 1, 8);  // a pointer below the stack
  CHECK_EQ(arguments_of(back.stack, back.cmdline), "");
  const Built large = built({std::string(9000, 'x')}, 0);
  CHECK_EQ(arguments_of(large.stack, "").size(), 4096u + 4u);
}

TEST(addresses_as_people_write_them) {
  CHECK_EQ(address_text(std::string("\x0a\x00\x00\x01", 4)), "10.0.0.1");
  CHECK_EQ(address_text(address(AF_INET, "10.1.2.3", 80)), "10.1.2.3:80");
  CHECK_EQ(address_text(address(AF_INET6, "fe80::1", 443)), "[fe80::1]:443");
  CHECK_EQ(address_text(address(AF_INET6, "fe80::1", 443).substr(8, 16)), "fe80::1");
  CHECK_EQ(address_text(address(AF_INET6, "::ffff:10.0.0.9", 1).substr(8, 16)), "10.0.0.9");
  CHECK_EQ(address_text("abc"), "");
}
