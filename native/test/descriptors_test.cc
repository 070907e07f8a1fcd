// descriptors: which file each descriptor is at the moment of a call. No process of these numbers exists, so /proc
// tells nothing: what is known comes from the events.
#include <fcntl.h>
#include <unistd.h>

#include "engine/open_files.h"
#include "proc/mounts.h"
#include "proc/nfs_mounts.h"
#include "test/feed.h"

using namespace ktop_test;

namespace {

constexpr uint32_t kPid = 5000001, kThread = 5000002, kChild = 5000010;
constexpr size_t kEnter = 0, kExit = 1, kText = 2;
enum : int64_t { kRead = 0, kWrite = 1, kClose = 3, kDup = 32, kDup2 = 33, kExecve = 59, kFcntl = 72, kOpenat = 257 };
constexpr Nanos kMs = 1'000'000;

Plan descriptors_plan() {
  OperatorSpec spec = op("descriptors", "test");
  spec.lines = "lines";
  spec.files = "files";
  spec.slow = "slow";
  spec.than_ns = 100 * kMs;
  spec.age_ns = 10 * kMs;
  spec.on = {
      {"text", "", "seen", "", {}, {{"call", "call"}, {"index", "index"}, {"late", "late"}, {"text", "text"}}},
      {"exit", "", "end", "", {}, {{"result", "ret"}}},
      {"enter",
       "",
       "start",
       "",
       {},
       {{"call", "id"}, {"arg0", "a0"}, {"arg1", "a1"}, {"arg2", "a2"}, {"arg3", "0"}, {"arg4", "0"}, {"arg5", "0"}}}};
  Plan plan = plan_of({spec});
  plan.names = {
      {"call", {{0, "read"}, {1, "write"}, {3, "close"}, {59, "execve"}, {257, "openat"}}},
      {"arguments", {{0, "fxd"}, {1, "fxd"}, {3, "f"}, {32, "f"}, {33, "ff"}, {59, "sxx"}, {72, "fxx"}, {257, "fsx"}}},
      {"effect",
       {{0, "read 0"}, {1, "write 0"}, {3, "close"}, {32, "dup"}, {33, "dup2"}, {72, "fcntl"}, {257, "open 0 1 2"}}}};
  return plan;
}

class Told {
 public:
  Told()
      : feed(descriptors_plan(), these(made_format("enter", {"id", "a0", "a1", "a2"}), made_format("exit", {"ret"}),
                                       made_format("text", {"call", "index", "late", "text[16]"}))) {
    feed.fork(kPid, kPid, 1);
    feed.comm(kPid, kPid, "victim", false);
  }
  // A whole call, of 1 µs if nothing else is said.
  void call(uint32_t tid, int64_t id, std::vector<int64_t> args, int64_t ret, Nanos took = 1000) {
    enter(tid, id, args);
    now += took;
    feed.event(kExit, now, {tid, 0, 0, {}}, {{"ret", ret}});
  }
  void enter(uint32_t tid, int64_t id, std::vector<int64_t> args) {
    now += 1000;
    args.resize(3);
    feed.event(kEnter, now, {tid, 0, 0, {}}, {{"id", id}, {"a0", args[0]}, {"a1", args[1]}, {"a2", args[2]}});
  }
  void text(uint32_t tid, int64_t id, const std::string& text, bool late = false, int64_t index = 1) {
    now += 10;
    feed.event(kText, now, {tid, 0, 0, {}}, {{"call", id}, {"index", index}, {"late", late}}, {{"text", text}});
  }
  void open(uint32_t tid, const std::string& path, int64_t fd, int64_t flags = 0, Nanos took = 1000) {
    text(tid, kOpenat, path);
    call(tid, kOpenat, {AT_FDCWD, 0x1000, flags}, fd, took);
  }
  SnapshotData snapshot() {
    now += kMs;
    return feed.snapshot(now);
  }
  Feed feed;
  Nanos now = kMs;
};

// Texts of a column in the order of the rows, "a b".
std::string column(const TableData& in, const std::string& name) {
  std::string all;
  for (const ColumnData& each : in.columns) {
    if (each.name != name) continue;
    for (uint32_t row = 0; row < in.length; row++)
      all += (row ? " " : "") + (each.is_text ? each.strings[each.ids[row]]
                                 : std::isnan(each.numbers[row])
                                     ? "-"
                                     : std::to_string(static_cast<int64_t>(each.numbers[row])));
  }
  return all;
}

}  // namespace

TEST(lines_name_the_file_of_a_descriptor_at_the_call) {
  Told w;
  w.open(kPid, "/a", 3);
  w.call(kPid, kRead, {3, 0, 10}, 7);
  w.call(kPid, kClose, {3}, 0);
  w.open(kPid, "/b", 3);  // the same number is another file now
  w.call(kPid, kRead, {3, 0, 10}, -5);
  w.call(kPid, kRead, {9, 0, 10}, -9);  // nothing is known of it
  const SnapshotData out = w.snapshot();
  const TableData& lines = table(out, "lines");
  CHECK_EQ(column(lines, "call"), "openat read close openat read read");
  CHECK_EQ(column(lines, "text0"), " =/a =/a  =/b ");
  CHECK_EQ(column(lines, "text1"), "=/a   =/b  ");
  CHECK_EQ(column(lines, "file"), "=/a   =/b  ");
  CHECK_EQ(column(lines, "result"), "3 7 0 3 -5 -9");
  CHECK_EQ(column(lines, "took_ns"), "1000 1000 1000 1000 1000 1000");
  CHECK_EQ(column(lines, "end"), "1 1 1 1 1 1");
  CHECK_EQ(table(w.snapshot(), "lines").length, 0u);
}

TEST(texts_may_come_before_the_call_in_it_and_after_it) {
  Told w;
  w.text(kPid, kOpenat, "/before");
  w.call(kPid, kOpenat, {AT_FDCWD, 1, 0}, 3);
  w.enter(kPid, kOpenat, {AT_FDCWD, 1, 0});
  w.text(kPid, kOpenat, "/in");
  w.now += 100;
  w.feed.event(kExit, w.now, {kPid, 0, 0, {}}, {{"ret", 4}});
  w.call(kPid, kOpenat, {AT_FDCWD, 1, 0}, 5);
  w.text(kPid, kOpenat, "/after", true);
  w.text(kPid, kExecve, "/of another call", false, 0);
  w.call(kPid, kOpenat, {AT_FDCWD, 1, 0}, -2);
  w.call(kPid, kRead, {5, 0, 1}, 1);
  const SnapshotData out = w.snapshot();
  CHECK_EQ(column(table(out, "lines"), "text1"), "=/before =/in =/after  ");
  CHECK_EQ(column(table(out, "lines"), "file"), "=/before =/in =/after  ");
  CHECK_EQ(column(table(out, "lines"), "text0"), "    =/after");
}

TEST(duplicates_share_a_file_until_the_last_is_closed) {
  Told w;
  w.open(kPid, "/a", 3);
  w.call(kPid, kDup, {3}, 4);
  w.call(kPid, kFcntl, {3, F_DUPFD, 10}, 10);
  w.call(kPid, kClose, {3}, 0);
  w.call(kPid, kWrite, {4, 0, 5}, 5);
  w.call(kPid, kWrite, {10, 0, 6}, 6);
  w.now += 200 * kMs;
  w.call(kPid, kClose, {4}, 0);
  SnapshotData out = w.snapshot();
  CHECK_EQ(table(out, "slow").length, 0u);
  CHECK_EQ(column(table(out, "files"), "writes"), "2");
  CHECK_EQ(column(table(out, "files"), "write_bytes"), "11");
  w.open(kPid, "/b", 3);
  w.call(kPid, kDup2, {3, 10}, 10);  // ends /a
  out = w.snapshot();
  const TableData& slow = table(out, "slow");
  CHECK_EQ(column(slow, "kind"), "lifetime");
  CHECK_EQ(column(slow, "path"), "/a");
  CHECK_EQ(column(slow, "how"), "dup2");
  CHECK_EQ(column(slow, "bytes"), "11");
  CHECK_EQ(column(slow, "io_ns"), "4000");  // two writes, two closings
  w.call(kPid, kWrite, {10, 0, 1}, 1);
  CHECK_EQ(column(table(w.snapshot(), "files"), "path"), "/b");
}

TEST(lifetimes_end_with_any_thread_with_the_process_and_with_exec) {
  Told w;
  w.feed.fork(kPid, kThread, kPid);
  w.open(kPid, "/thread", 3);
  w.open(kPid, "/exec", 4, O_CLOEXEC);
  w.open(kPid, "/exit", 5);
  w.now += 200 * kMs;
  w.call(kThread, kClose, {3}, 0);
  w.feed.exit(kPid, kThread, w.now);
  w.feed.pipeline->on_task({TaskRecord::kComm, true, w.now, kPid, kPid, 0, 0, "another"});
  w.now += kMs;
  w.feed.exit(kPid, kPid, w.now);
  const TableData slow = table(w.snapshot(), "slow");
  CHECK_EQ(column(slow, "path"), "/thread /exec /exit");
  CHECK_EQ(column(slow, "how"), "close exec exit");
  CHECK_EQ(column(slow, "kind"), "lifetime lifetime lifetime");
}

TEST(a_child_has_its_parents_descriptors_and_files_of_its_own) {
  Told w;
  w.open(kPid, "/a", 3);
  w.feed.fork(kChild, kChild, kPid);
  w.call(kPid, kClose, {3}, 0);
  w.open(kPid, "/b", 3);
  w.call(kChild, kRead, {3, 0, 9}, 9);
  w.call(kPid, kRead, {3, 0, 8}, 8);
  w.call(kChild, kClose, {3}, 0);
  w.call(kPid, kRead, {3, 0, 1}, 1);
  w.now += 200 * kMs;
  w.feed.exit(kChild, kChild, w.now);
  const SnapshotData out = w.snapshot();
  CHECK_EQ(column(table(out, "lines"), "text0"), " =/a  =/a =/b =/a =/b");
  const TableData& files = table(out, "files");
  CHECK_EQ(cell(files, "pid", std::to_string(kChild), "read_bytes"), "9");
  CHECK_EQ(cell(files, "path", "/b", "read_bytes"), "9");
  CHECK_EQ(table(out, "slow").length, 0u);  // it only inherited it
}

TEST(relative_names_are_joined_to_what_is_known) {
  Told w;
  w.open(kPid, "/dir", 3);
  w.text(kPid, kOpenat, "in/it");
  w.call(kPid, kOpenat, {3, 1, 0}, 4);
  w.open(kPid, "unknown", 5);  // the working directory was never told
  w.call(kPid, kRead, {4, 0, 0}, 0);
  w.call(kPid, kRead, {5, 0, 0}, 0);
  CHECK_EQ(column(table(w.snapshot(), "lines"), "text0"), " =/dir  =/dir/in/it =unknown");
}

TEST(slow_opens_and_slow_work_are_listed_also_while_they_last) {
  Told w;
  w.text(kPid, kOpenat, "/fifo");
  w.enter(kPid, kOpenat, {AT_FDCWD, 1, O_WRONLY});
  w.now += 300 * kMs;
  SnapshotData out = w.snapshot();
  for (const Nanos more : {Nanos{0}, 50 * kMs}) {
    w.now += more;
    const SnapshotData each = w.snapshot();
    const TableData& slow = table(each, "slow");
    CHECK_EQ(column(slow, "kind"), "open");
    CHECK_EQ(column(slow, "in_flight"), "1");
    CHECK_EQ(column(slow, "path"), "/fifo");
    CHECK_EQ(column(slow, "flags"), "1");
    CHECK_EQ(column(slow, "took_ns"), std::to_string(302 * kMs + (more ? more + kMs : 0)));
  }
  w.feed.event(kExit, w.now, {kPid, 0, 0, {}}, {{"ret", 3}});
  w.call(kPid, kWrite, {3, 0, 100}, 100, 20 * kMs);
  w.open(kPid, "/no", -2, 0, 150 * kMs);
  out = w.snapshot();
  const TableData& slow = table(out, "slow");
  CHECK_EQ(column(slow, "kind"), "open io open");
  CHECK_EQ(column(slow, "in_flight"), "0 0 0");
  CHECK_EQ(column(slow, "path"), "/fifo /fifo /no");
  CHECK_EQ(column(slow, "result"), "3 100 -2");
  // The line of the open call was given when it was in flight, and goes on.
  CHECK_EQ(column(table(out, "lines"), "told"), "1 0 0");
}

TEST(a_call_ends_with_its_thread_and_goes_on_through_exec) {
  Told w;
  w.feed.fork(kPid, kThread, kPid);
  w.text(kThread, kExecve, "/bin/x", false, 0);
  w.enter(kThread, kExecve, {1, 0, 0});
  w.feed.exit(kPid, kPid, w.now);
  w.feed.comm(kPid, kPid, "x", true);
  w.now += 100;
  w.feed.event(kExit, w.now, {kPid, 0, 0, {}}, {{"ret", 0}});
  w.enter(kPid, kRead, {0, 0, 0});
  w.now += 100;
  w.feed.exit(kPid, kPid, w.now);
  const TableData lines = table(w.snapshot(), "lines");
  CHECK_EQ(column(lines, "call"), "execve read");
  CHECK_EQ(column(lines, "text0"), "=/bin/x ");
  CHECK_EQ(column(lines, "end"), "1 2");
}

TEST(a_loss_forgets_what_was_known) {
  Told w;
  w.open(kPid, "/a", 3);
  w.enter(kPid, kRead, {3, 0, 0});
  w.feed.pipeline->on_lost({0, 0, w.now + 1, 5});
  w.call(kPid, kRead, {3, 0, 1}, 1);
  const SnapshotData out = w.snapshot();
  CHECK_EQ(column(table(out, "lines"), "text0"), " ");
  CHECK_EQ(column(table(out, "lines"), "call"), "openat read");
  CHECK_HAS(out.notes.at(0), "1 open calls dropped");
}

TEST(a_name_read_from_proc_is_true_only_if_nobody_closed_meanwhile) {
  // Of this process, which has files open: read later than the events that are told.
  const uint32_t self = static_cast<uint32_t>(getpid());
  const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  OpenFiles files(true);
  files.seed(self, 1);
  const OpenFileRef known = files.find(self, fd, 1);
  CHECK(known != nullptr);
  CHECK(!known->settled(1));  // what happened until it was read has not been told yet
  CHECK(known->settled(known->known->link_read));
  CHECK_HAS(known->name(), "/status");
  files.close(self, fd, 5, "close");  // it was closed long before: the name is another file's
  CHECK_EQ(known->name(), "");
  close(fd);
}

TEST(mounts_by_the_longest_point) {
  Mounts mounts;
  mounts.parse(
      "1 0 8:1 / / rw - ext4 /dev/vda1 rw\n2 1 0:5 / /a\\040b rw shared:1 - tmpfs none rw\n"
      "3 1 0:6 / /a rw - nfs4 server:/x rw\nbroken\n");
  CHECK_EQ(mounts.of("/a b/c").type, "tmpfs");
  CHECK_EQ(mounts.of("/a b").point, "/a b");
  CHECK_EQ(mounts.of("/a/c").device, "server:/x");
  CHECK_EQ(mounts.of("/ab").type, "ext4");
  CHECK_EQ(mounts.of("pipe:[3]").type, "");
}

TEST(counters_of_nfs_mounts) {
  const auto mounts = nfs_mounts(
      "device /dev/vda1 mounted on / with fstype ext4\n"
      "device server:/x mounted on /mnt/a b with fstype nfs4 statvers=1.1\n"
      "\topts:\trw,vers=4.2\n\tage:\t10\n\txprt:\ttcp 0 1 2\n\tper-op statistics\n"
      "\t        NULL: 1 1 0 44 24 8 0 8 0\n"
      "\t        READ: 10 12 1 1000 200000 5 70 90 2\n"
      "device old:/y mounted on /old with fstype nfs statvers=1.1\n\tper-op statistics\n\tREAD: 1 1 0 1 2 3 4 5\n");
  CHECK_EQ(mounts.size(), size_t{2});
  const std::vector<double> a = {11, 13, 1, 1044, 200024, 13, 70, 98, 2}, old = {1, 1, 0, 1, 2, 3, 4, 5, 0};
  CHECK(mounts.at("/mnt/a b") == a);
  CHECK(mounts.at("/old") == old);
}
