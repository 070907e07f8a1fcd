#include "trace/format.h"

#include <dirent.h>

#include "check.h"
#include "perf/transport.h"
#include "record_builder.h"
#include "trace/print_format.h"
#include "trace/text.h"
#include "trace/tracefs.h"

using namespace ktop;
using namespace ktop_test;

namespace {

EventFormat load(const std::string& system, const std::string& file) {
  return parse_format(system, test_file("formats/" + file + ".txt"));
}

const Field& field(const EventFormat& format, std::string_view name) {
  const Field* f = format.find(name);
  if (!f) throw std::runtime_error("no field " + std::string(name));
  return *f;
}

std::string failure_of(const std::string& text) {
  try {
    parse_format("x", text);
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "none";
}

}  // namespace

TEST(format_of_sched_switch) {
  const EventFormat f = load("sched", "6.18-sched_switch");
  CHECK_EQ(f.name, "sched_switch");
  CHECK_EQ(f.system, "sched");
  CHECK(f.type != 0);
  CHECK(f.print != nullptr);
  const Field& comm = field(f, "prev_comm");
  CHECK(comm.is_text);
  CHECK_EQ(comm.type, "char");
  CHECK_EQ(comm.offset, 8u);
  CHECK_EQ(comm.size, 16u);
  CHECK_EQ(comm.element, 1u);
  CHECK(field(f, "prev_pid").is_signed);
  CHECK_EQ(field(f, "prev_state").size, 8u);
  CHECK(f.find("nothing") == nullptr);
}

TEST(format_text_moved_between_kernels) {
  // char[16] on 6.1, __data_loc on 6.18: the same text either way
  const EventFormat before = load("sched", "6.1-sched_process_fork"), now = load("sched", "6.18-sched_process_fork");
  Bytes a, b;
  a.set<uint32_t>(24, 7).text(8, std::string("parent\0", 7)).text(28, std::string("child\0", 6)).set<uint32_t>(44, 8);
  b.set<uint32_t>(8, 7 << 16 | 24).set<uint32_t>(12, 7).set<uint32_t>(16, 6 << 16 | 31).set<uint32_t>(20, 8);
  b.text(24, std::string("parent\0child\0", 13));
  for (const auto& [f, r] : {std::pair(&before, &a), std::pair(&now, &b)}) {
    CHECK_EQ(read_text(field(*f, "parent_comm"), r->raw(), r->size()), std::string_view("parent"));
    CHECK_EQ(read_text(field(*f, "child_comm"), r->raw(), r->size()), std::string_view("child"));
    CHECK_EQ(f->print->render(*f, r->raw(), r->size()), "comm=parent pid=7 child_comm=child child_pid=8");
  }
  CHECK_EQ(static_cast<int>(field(now, "child_comm").where), static_cast<int>(Field::kDataLoc));
}

TEST(format_relative_location) {
  const EventFormat f =
      parse_format("x",
                   "name: e\nID: 5\nformat:\n\tfield:__rel_loc char[] s;\toffset:8;\tsize:4;\tsigned:0;\n"
                   "\tfield:__data_loc unsigned long[] v;\toffset:12;\tsize:4;\tsigned:0;\n");
  CHECK(f.print == nullptr);
  CHECK_EQ(f.fields[1].element, 8u);
  CHECK(!f.fields[1].is_text);
  Bytes r;
  r.set<uint32_t>(8, 3 << 16 | 4).set<uint32_t>(12, 0).text(16, std::string("hi\0", 3));
  CHECK_EQ(read_text(f.fields[0], r.raw(), r.size()), std::string_view("hi"));
}

TEST(format_values_of_every_size) {
  const EventFormat f =
      parse_format("x",
                   "name: e\nID: 5\n\tfield:s8 a;\toffset:8;\tsize:1;\tsigned:1;\n"
                   "\tfield:short b;\toffset:10;\tsize:2;\tsigned:1;\n\tfield:u32 c;\toffset:12;\tsize:4;\tsigned:0;\n"
                   "\tfield:int d;\toffset:16;\tsize:4;\tsigned:1;\n\tfield:long e;\toffset:24;\tsize:8;\tsigned:1;\n"
                   "\tfield:__u8 addr[4];\toffset:32;\tsize:4;\tsigned:0;\n");
  Bytes r;
  r.set<int8_t>(8, -3).set<int16_t>(10, -300).set<uint32_t>(12, 0xffffffff).set<int32_t>(16, -1).set<int64_t>(24, -5);
  CHECK_EQ(read_integer(f.fields[0], r.raw(), r.size()), -3);
  CHECK_EQ(read_integer(f.fields[1], r.raw(), r.size()), -300);
  CHECK_EQ(read_integer(f.fields[2], r.raw(), r.size()), 0xffffffffll);
  CHECK_EQ(read_integer(f.fields[3], r.raw(), r.size()), -1);
  CHECK_EQ(read_integer(f.fields[4], r.raw(), r.size()), -5);
  CHECK_EQ(read_integer(f.fields[4], r.raw(), 31), 0);  // cut short
  CHECK_EQ(f.fields[5].element, 1u);
  CHECK(!f.fields[5].is_text);
}

TEST(format_texts_never_leave_the_record) {
  const EventFormat f = load("net", "6.18-net_dev_queue");
  const Field& name = field(f, "name");
  Bytes r;
  r.data.resize(24);
  for (uint32_t word : {0xffff0000u, 0xffffffffu, 0x00100018u, 0x0010ffffu, 0u}) {
    r.set<uint32_t>(name.offset, word);
    const std::string_view text = read_text(name, r.raw(), r.size());
    CHECK(text.empty() || (text.data() >= reinterpret_cast<const char*>(r.raw()) &&
                           text.data() + text.size() <= reinterpret_cast<const char*>(r.raw()) + r.size()));
  }
  CHECK_EQ(read_text(name, r.raw(), 8), std::string_view());
  CHECK_EQ(read_text(name, r.raw(), 0), std::string_view());
}

TEST(format_errors_name_the_line) {
  CHECK_HAS(failure_of("ID: 5\n"), "no name");
  CHECK_HAS(failure_of("name: e\n"), "no ID");
  CHECK_HAS(failure_of("name: e\nID: 70000\n"), "line 2");
  CHECK_HAS(failure_of("name: e\nID: 1\nformat:\n\tfield:int a;\toffset:99999999999;\tsize:4;\n"), "line 4");
  CHECK_HAS(failure_of("name: e\nID: 1\nformat:\n\tfield:int;\toffset:8;\tsize:4;\n"), "line 4");
  CHECK_HAS(failure_of("name: e\nID: 1\nformat:\n\tfield:__data_loc char[] a;\toffset:8;\tsize:8;\n"), "line 4");
}

TEST(nearest_word) {
  CHECK_EQ(edit_distance("kitten", "sitting"), 3u);
  CHECK_EQ(edit_distance("ab", "ba"), 1u);
  CHECK_EQ(nearest("prev_pd", {"prev_comm", "prev_pid", "next_pid"}), "prev_pid");
  CHECK_EQ(nearest("zzzzzzzz", {"prev_comm", "a"}), "");
}

TEST(live_formats_all_parse) {
  if (!is_root()) return;
  const std::string tracefs = find_tracefs(true, nullptr);
  CHECK(!tracefs.empty());
  int formats = 0, unparsed = 0;
  const std::string events = tracefs + "/events";
  DIR* systems = opendir(events.c_str());
  while (const dirent* s = systems ? readdir(systems) : nullptr) {
    const std::string system = s->d_name;
    if (system[0] == '.') continue;
    DIR* names = opendir((events + "/" + system).c_str());
    while (const dirent* e = names ? readdir(names) : nullptr) {
      const std::string name = e->d_name;
      if (name[0] == '.' || !has_event(tracefs, system, name)) continue;
      const EventFormat f = load_format(tracefs, system, name);
      formats++;
      CHECK_EQ(f.name, name);
      CHECK(f.fields.size() >= 4);
      if (!f.print) unparsed++;
      // Rendering must survive any record, a short one too.
      const std::vector<uint8_t> junk(256, 0xff);
      for (uint32_t size : {0u, 8u, 30u, 256u})
        if (f.print) f.print->render(f, junk.data(), size);
    }
    if (names) closedir(names);
  }
  if (systems) closedir(systems);
  CHECK(formats > 100);
  CHECK_EQ(unparsed, 0);
}

TEST(live_unknown_events_name_the_nearest) {
  if (!is_root()) return;
  const std::string tracefs = find_tracefs(true, nullptr);
  const auto told = [&](const std::string& system, const std::string& name, const std::string& root) -> std::string {
    try {
      load_format(root, system, name);
    } catch (const Failure& failure) {
      return std::to_string(failure.kind) + " " + failure.what();
    }
    return "none";
  };
  CHECK_EQ(told("sched", "sched_swich", tracefs),
           "1 no event \"sched:sched_swich\" on this kernel; nearest: \"sched:sched_switch\"");
  CHECK_HAS(told("shed", "sched_switch", tracefs), "nearest: \"sched:sched_switch\"");
  CHECK_HAS(told("..", "x", tracefs), "1 no event");
  CHECK_HAS(told("sched", "../sched/sched_switch", tracefs), "1 no event");
  CHECK_HAS(told("sched", "sched_switch", ""), "1 no tracefs");
  CHECK_HAS(told("sched", "sched_switch", "/nowhere"), "1 no /nowhere/events");
}
