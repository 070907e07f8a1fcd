// The reader of perf.data files, on files put together here.
#include <algorithm>

#include "check.h"
#include "collect_sink.h"
#include "perf/transport.h"
#include "perf_file.h"

using namespace ktop;
using namespace ktop_test;

namespace {

constexpr uint16_t kA = 300, kB = 301;

// Two tracepoints, one id for each CPU.
PerfFile two_events() {
  PerfFile file;
  file.event(tracepoint_attr(kA), {11, 12}).event(tracepoint_attr(kB), {21, 22});
  file.usual({{"made", "a", kA}, {"made", "b", kB}}, 100, 900);
  return file;
}

From at(uint64_t time, uint32_t cpu = 0, uint64_t id = 11) { return {id, time, 7, 8, cpu}; }

// Everything a file holds; slot = index of its event.
CollectSink all_of(const std::shared_ptr<const PerfDataFile>& file, PerfDataReader* reader) {
  CollectSink sink;
  (void)file;
  while (reader->run(sink, UINT64_MAX, 3) == PerfDataReader::kWorking) {
  }
  return sink;
}

ReaderWish every_event(const PerfDataFile& file) {
  ReaderWish wish;
  for (size_t i = 0; i < file.events.size(); i++) wish.slots.push_back(static_cast<int>(i));
  return wish;
}

std::vector<uint64_t> times_of(const CollectSink& sink) {
  std::vector<uint64_t> times;
  for (const Seen& seen : sink.all)
    if (seen.kind == Seen::kEvent) times.push_back(seen.time);
  return times;
}

std::string failure_of(std::vector<uint8_t> bytes) {
  try {
    opened(std::move(bytes));
  } catch (const Failure& failure) {
    CHECK_EQ(static_cast<int>(failure.kind), static_cast<int>(Failure::kInternal));
    return failure.what();
  }
  return "opened";
}

std::string joined(const std::vector<uint64_t>& values) {
  std::string text;
  for (const uint64_t value : values) text += (text.empty() ? "" : " ") + std::to_string(value);
  return text;
}

}  // namespace

TEST(perfdata_knows_what_the_file_says_of_itself) {
  PerfFile made = two_events();
  made.feature(29, Bytes().add<uint32_t>(1).add<uint32_t>(1).add<uint64_t>(5000).add<uint64_t>(2000));
  made.add(sample_of(at(100), kA, 1));
  const auto file = opened(made.finish());
  CHECK_EQ(file->host, "elsewhere");
  CHECK_EQ(file->release, "4.2.0-test");
  CHECK_EQ(file->cpus_available, 4u);
  CHECK_EQ(file->cpus_online, 2u);
  CHECK_EQ(file->events.size(), size_t{2});
  CHECK_EQ(file->events[0].name, "made:a");
  CHECK_EQ(file->events[1].name, "made:b");
  CHECK_EQ(file->last_time, uint64_t{900});
  CHECK_EQ(file->wall_offset, int64_t{3000});
  CHECK(file->wall_exact);
  CHECK_EQ(file->clock, 1);
  CHECK_EQ(file->damage.size(), size_t{0});
}

TEST(perfdata_takes_the_wall_clock_from_the_date_when_the_file_has_none) {
  PerfFile made = two_events();
  made.add(sample_of(at(100), kA, 1));
  const auto file = opened(made.finish(), 10'000);
  CHECK(!file->wall_exact);
  CHECK_EQ(file->wall_offset, int64_t{10'000 - 900});
}

TEST(perfdata_says_in_one_sentence_what_is_no_such_file) {
  CHECK_HAS(failure_of({}), "it is empty");
  CHECK_HAS(failure_of(std::vector<uint8_t>(200, 'x')), "it is no perf.data file; make one with perf record");
  CHECK_HAS(failure_of({'2', 'E', 'L', 'I', 'F', 'R', 'E', 'P', 0, 0, 0, 0, 0, 0, 0, 0}), "other byte order");
  CHECK_HAS(failure_of({'P', 'E', 'R', 'F', 'F', 'I', 'L', 'E', 0, 0, 0, 0, 0, 0, 0, 0}), "newer perf");
  CHECK_HAS(failure_of({'P', 'E', 'R', 'F', 'I', 'L', 'E', '2', 104, 0, 0, 0, 0, 0, 0, 0}),
            "cut off within its header");
  CHECK_HAS(failure_of(PerfFile().finish()), "no event in it");
  CHECK_HAS(failure_of(PerfFile().finish_pipe()), "no event in it");
  PerfFile mixed = two_events();
  mixed.events[1].attr.sample_type &= ~uint64_t{PERF_SAMPLE_IDENTIFIER};
  CHECK_HAS(failure_of(mixed.finish()), "cannot be told from one another");
}

TEST(perfdata_orders_rounds_of_several_cpus) {
  PerfFile made = two_events();
  // A round is one pass over the rings: CPU 0 first, then CPU 1.
  for (const uint64_t time : {100, 300, 500}) made.add(sample_of(at(time, 0, 11), kA, time));
  for (const uint64_t time : {200, 250, 600}) made.add(sample_of(at(time, 1, 22), kB, time));
  made.add(round_end());
  for (const uint64_t time : {550, 700}) made.add(sample_of(at(time, 0, 11), kA, time));
  for (const uint64_t time : {620, 650}) made.add(sample_of(at(time, 1, 22), kB, time));
  made.add(round_end());
  made.add(sample_of(at(690, 1, 12), kA, 690)).add(sample_of(at(710, 1, 12), kA, 710));
  const auto file = opened(made.finish());
  PerfDataReader reader(file, every_event(*file));
  const CollectSink sink = all_of(file, &reader);
  CHECK_EQ(joined(times_of(sink)), "100 200 250 300 500 550 600 620 650 690 700 710");
  CHECK_EQ(reader.late(), uint64_t{0});
  for (const Seen& seen : sink.all) {
    CHECK_EQ(seen.slot, seen.time == 200 || seen.time == 250 || (seen.time >= 600 && seen.time <= 650) ? 1 : 0);
    uint64_t value;
    memcpy(&value, seen.raw.data() + 8, 8);
    CHECK_EQ(value, seen.time);
    CHECK_EQ(seen.tid, 8u);
  }
}

TEST(perfdata_keeps_the_order_of_the_file_where_times_are_equal) {
  PerfFile made = two_events();
  made.add(sample_of(at(500, 0), kA, 1)).add(sample_of(at(500, 0), kA, 2));
  made.add(sample_of(at(400, 1), kA, 3)).add(sample_of(at(500, 1), kA, 4)).add(round_end());
  made.add(sample_of(at(500, 0), kA, 5));
  const auto file = opened(made.finish());
  PerfDataReader reader(file, every_event(*file));
  std::vector<uint64_t> values;
  for (const Seen& seen : all_of(file, &reader).all) values.push_back(seen.raw[8]);
  CHECK_EQ(joined(values), "3 1 2 4 5");
}

TEST(perfdata_counts_what_comes_after_its_time_has_passed) {
  PerfFile made = two_events();
  made.add(sample_of(at(500), kA, 1)).add(round_end()).add(sample_of(at(600), kA, 2)).add(round_end());
  made.add(sample_of(at(550, 1), kA, 3)).add(sample_of(at(620), kA, 4)).add(round_end());
  // What is of before the third last round has been handed over.
  made.add(sample_of(at(450, 1), kA, 5)).add(sample_of(at(700), kA, 6));
  const auto file = opened(made.finish());
  PerfDataReader reader(file, every_event(*file));
  const CollectSink sink = all_of(file, &reader);
  CHECK_EQ(joined(times_of(sink)), "500 450 550 600 620 700");
  CHECK_EQ(reader.late(), uint64_t{1});
}

TEST(perfdata_sorts_what_was_written_backwards) {
  // perf record --overwrite
  PerfFile made = two_events();
  std::string wanted;
  for (uint64_t i = 0; i < 500; i++) {
    made.add(sample_of(at(100000 - 7 * i, i % 3, 11), kA, i));
    wanted = std::to_string(100000 - 7 * i) + (wanted.empty() ? "" : " ") + wanted;
  }
  const auto file = opened(made.finish());
  PerfDataReader reader(file, every_event(*file));
  CHECK_EQ(joined(times_of(all_of(file, &reader))), wanted);
}

TEST(perfdata_stops_at_a_time_and_goes_on) {
  PerfFile made = two_events();
  for (const uint64_t time : {100, 200, 300}) made.add(sample_of(at(time), kA, time));
  const auto file = opened(made.finish());
  PerfDataReader reader(file, every_event(*file));
  CollectSink sink;
  CHECK_EQ(static_cast<int>(reader.run(sink, 0, 1000)), static_cast<int>(PerfDataReader::kReached));
  CHECK_EQ(reader.next_time(), uint64_t{100});
  CHECK_EQ(sink.all.size(), size_t{0});
  CHECK_EQ(static_cast<int>(reader.run(sink, 200, 1000)), static_cast<int>(PerfDataReader::kReached));
  CHECK_EQ(joined(times_of(sink)), "100");
  CHECK_EQ(static_cast<int>(reader.run(sink, 1000, 1)), static_cast<int>(PerfDataReader::kWorking));
  CHECK_EQ(static_cast<int>(reader.run(sink, 1000, 1000)), static_cast<int>(PerfDataReader::kEnd));
  CHECK_EQ(joined(times_of(sink)), "100 200 300");
}

TEST(perfdata_leaves_out_events_that_nobody_wants) {
  PerfFile made = two_events();
  made.add(sample_of(at(100, 0, 11), kA, 1)).add(sample_of(at(200, 0, 21), kB, 2));
  made.add(sample_of(at(300, 0, 99), kA, 3));
  made.add(sample_of(at(400, 0, 11), kB, 4));  // not the tracepoint of its event
  const auto file = opened(made.finish());
  ReaderWish wish;
  wish.slots = {-1, 5};
  PerfDataReader reader(file, wish);
  const CollectSink sink = all_of(file, &reader);
  CHECK_EQ(joined(times_of(sink)), "200");
  CHECK_EQ(sink.all[0].slot, 5);
  CHECK_EQ(reader.notes().size(), size_t{1});
  CHECK_HAS(reader.notes()[0], "1 records of the file are of an event that it does not describe");
}

TEST(perfdata_tells_of_tasks) {
  PerfFile made = two_events();
  made.add(comm_of({0, 0, 40, 41, 0}, "before"));  // perf's own: of what there was at the start
  made.add(sample_of(at(100), kA, 1));
  made.add(fork_of({11, 150, 50, 50, 0}, 40)).add(comm_of({11, 200, 50, 50, 0}, "a name of 15 by"));
  const auto file = opened(made.finish());
  PerfDataReader reader(file, every_event(*file));
  const CollectSink sink = all_of(file, &reader);
  CHECK_EQ(sink.all.size(), size_t{4});
  CHECK_EQ(sink.all[0].comm, "before");
  CHECK_EQ(sink.all[0].task.pid, 40u);
  CHECK_EQ(sink.all[0].task.tid, 41u);
  CHECK_EQ(static_cast<int>(sink.all[2].task.kind), static_cast<int>(TaskRecord::kFork));
  CHECK_EQ(sink.all[2].task.ppid, 40u);
  CHECK_EQ(sink.all[2].time, uint64_t{150});
  CHECK_EQ(sink.all[3].comm, "a name of 15 by");
}

TEST(perfdata_accounts_for_every_loss) {
  PerfFile made = two_events();
  made.add(sample_of(at(100, 1), kA, 1)).add(lost_of(at(300, 1), 5)).add(sample_of(at(310, 1), kA, 2));
  made.add(sample_of(at(400, 0), kA, 3));
  // What perf counted in the end, of each event on each CPU: 5 more than the kernel told.
  made.add(lost_samples_of({11, 0, 0, 0, 0}, 4)).add(lost_samples_of({21, 0, 0, 0, 0}, 3));
  made.add(lost_samples_of({12, 0, 0, 0, 0}, 3));
  const auto file = opened(made.finish());
  PerfDataReader reader(file, every_event(*file));
  const CollectSink sink = all_of(file, &reader);
  CHECK_EQ(reader.lost(), uint64_t{10});
  CHECK_EQ(sink.count(Seen::kLost), size_t{2});
  CHECK_EQ(sink.all[1].lost.from, uint64_t{100});
  CHECK_EQ(sink.all[1].lost.to, uint64_t{300});
  CHECK_EQ(sink.all[1].lost.cpu, 1u);
  CHECK_EQ(sink.all[1].lost.count, uint64_t{5});
  CHECK_EQ(sink.all[4].lost.count, uint64_t{5});
  CHECK_EQ(sink.all[4].lost.from, uint64_t{310});
  CHECK_EQ(sink.all[4].lost.to, uint64_t{400});
}

TEST(perfdata_takes_stacks_and_modes_of_the_clock) {
  PerfFile made;
  made.event(clock_attr(99, true), {31}).usual({}, 100, 300);
  constexpr uint64_t kKernel = static_cast<uint64_t>(PERF_CONTEXT_KERNEL),
                     kUser = static_cast<uint64_t>(PERF_CONTEXT_USER);
  const std::vector<uint64_t> both{kKernel, 0xffffffff81000010, 0xffffffff81000020, kUser, 0x400000};
  const std::vector<uint64_t> user{kUser, 0x400000, 0x400100};
  made.add(clock_sample({31, 100, 5, 6, 1}, false, 0xffffffff81000010, &both));
  made.add(clock_sample({31, 200, 5, 6, 1}, true, 0x400000, &user));
  const auto file = opened(made.finish());
  CHECK_EQ(file->events[0].name, "cpu-clock");
  {
    PerfDataReader reader(file, every_event(*file));
    const CollectSink sink = all_of(file, &reader);
    CHECK_EQ(sink.all.size(), size_t{2});
    CHECK_EQ(joined(sink.all[0].frames), "18446744071578845200 18446744071578845216");
    CHECK_EQ(sink.all[0].tid, 6u);
    CHECK_EQ(sink.all[1].frames.size(), size_t{0});
  }
  ReaderWish wish = every_event(*file);
  wish.no_user = true;
  PerfDataReader reader(file, wish);
  CHECK_EQ(joined(times_of(all_of(file, &reader))), "100");
}

TEST(perfdata_reads_what_was_written_to_a_pipe) {
  PerfFile made = two_events();
  made.add(sample_of(at(200, 1, 22), kB, 1)).add(sample_of(at(100), kA, 2));
  const auto file = opened(made.finish_pipe());
  CHECK(file->pipe);
  CHECK_EQ(file->host, "elsewhere");
  CHECK_EQ(file->events[1].name, "made:b");
  CHECK_EQ(file->last_time, uint64_t{200});
  CHECK_EQ(file->damage.size(), size_t{0});
  PerfDataReader reader(file, every_event(*file));
  CHECK_EQ(joined(times_of(all_of(file, &reader))), "100 200");
}

namespace {

// A zstd stream of blocks that are stored as they are, cut into records: no compressor is needed to make one.
std::vector<Bytes> stored(const std::vector<uint8_t>& text, size_t block) {
  std::vector<Bytes> parts;
  for (size_t from = 0; from < text.size(); from += block) {
    const size_t n = std::min(block, text.size() - from);
    Bytes part;
    if (from == 0) part.add<uint32_t>(0xfd2fb528).add<uint8_t>(0).add<uint8_t>(0x58);
    const uint32_t head = static_cast<uint32_t>(n) << 3;  // not the last, stored
    part.add<uint8_t>(head & 0xff).add<uint8_t>(head >> 8 & 0xff).add<uint8_t>(head >> 16);
    part.data.insert(part.data.end(), text.begin() + static_cast<std::ptrdiff_t>(from),
                     text.begin() + static_cast<std::ptrdiff_t>(from + n));
    parts.push_back(part);
  }
  return parts;
}

}  // namespace

TEST(perfdata_reads_compressed_records_that_lie_across_others) {
  CHECK(ZstdStream::available());
  Bytes inside;
  std::string wanted;
  for (uint64_t time = 1; time <= 3000; time++) {
    inside.append(sample_of(at(time), kA, time));
    wanted += (time > 1 ? " " : "") + std::to_string(time);
  }
  for (const bool second_kind : {false, true}) {
    PerfFile made = two_events();
    for (const Bytes& part : stored(inside.data, 1001)) {
      if (second_kind) {
        Bytes body;
        body.add<uint64_t>(part.size()).append(part);
        body.data.resize((body.size() + 7) / 8 * 8);
        made.add(perf_record(kCompressed2, 0, body));
      } else {
        made.add(perf_record(kCompressed, 0, part));
      }
      made.add(round_end());
    }
    const auto file = opened(made.finish());
    PerfDataReader reader(file, every_event(*file));
    CHECK_EQ(joined(times_of(all_of(file, &reader))), wanted);
    CHECK_EQ(reader.notes().size(), size_t{0});
  }
}

TEST(perfdata_says_when_compressed_data_are_damaged) {
  PerfFile made = two_events();
  made.add(sample_of(at(100), kA, 1));
  made.add(perf_record(kCompressed, 0, Bytes().text(0, "this is not zstd, not at all")));
  made.add(sample_of(at(200), kA, 2));
  const auto file = opened(made.finish());
  PerfDataReader reader(file, every_event(*file));
  CHECK_EQ(joined(times_of(all_of(file, &reader))), "100");
  CHECK_HAS(reader.notes().at(0), "cannot be decompressed: what follows is not read");
}

TEST(perfdata_gives_what_is_whole_of_a_file_cut_anywhere) {
  PerfFile made = two_events();
  for (uint64_t i = 0; i < 20; i++) {
    made.add(sample_of(at(100 + 10 * i, i % 2), kA, i));
    if (i % 5 == 4) made.add(round_end());
  }
  for (const bool pipe : {false, true}) {
    const std::vector<uint8_t> whole = pipe ? made.finish_pipe() : made.finish();
    size_t most = 0;
    for (size_t size = 0; size <= whole.size(); size++) {
      const std::vector<uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      std::shared_ptr<const PerfDataFile> file;
      try {
        file = opened(part);
      } catch (const Failure& failure) {
        CHECK_HAS(failure.what(), "cannot read made.data: ");
        continue;
      }
      PerfDataReader reader(file, every_event(*file));
      const size_t seen = all_of(file, &reader).all.size();
      CHECK(seen >= most);
      most = std::max(most, seen);
      // A pipe may end after any record; the end of a file is known.
      if (!pipe && size < whole.size()) CHECK(file->damage.size() + reader.notes().size() > 0);
    }
    CHECK_EQ(most, size_t{20});
  }
}

TEST(perfdata_reads_on_where_perf_was_killed) {
  // perf writes the length, and the features behind the data, when it ends.
  PerfFile made = two_events();
  made.add(sample_of(at(100), kA, 1));
  std::vector<uint8_t> bytes = made.finish();
  memset(&bytes[48], 0, 8);
  bytes.resize(bytes.size() - 16 * made.features.size());
  for (auto& [id, body] : made.features) bytes.resize(bytes.size() - body.size());
  const auto file = opened(bytes);
  CHECK_HAS(file->damage.at(0), "perf record did not end");
  PerfDataReader reader(file, every_event(*file));
  CHECK_EQ(joined(times_of(all_of(file, &reader))), "100");
}

TEST(perfdata_survives_records_that_lie) {
  PerfFile made = two_events();
  const auto broken = [&](size_t offset, auto value) {
    Bytes record = sample_of(at(200), kA, 1);
    record.set(8 + offset, value);
    made.add(record);
  };
  made.add(sample_of(at(100), kA, 1));
  broken(48, uint32_t{0x7fffffff});  // raw data longer than the record
  broken(48, uint32_t{3});           // too short for what a tracepoint has
  broken(32, uint32_t{0xfffffff0});  // a CPU that no kernel has
  made.add(perf_record(PERF_RECORD_SAMPLE, 0, Bytes().add<uint64_t>(11).add<uint64_t>(0)));
  made.add(perf_record(PERF_RECORD_COMM, 0, Bytes().add<uint64_t>(11)));
  made.add(perf_record(PERF_RECORD_LOST, 0, trailer(Bytes().add<uint64_t>(1).add<uint64_t>(~uint64_t{0}), at(250))));
  made.add(sample_of(at(300), kA, 1));
  const auto file = opened(made.finish());
  PerfDataReader reader(file, every_event(*file));
  CHECK_EQ(joined(times_of(all_of(file, &reader))), "100 300");
  CHECK_EQ(reader.lost(), uint64_t{0});
  CHECK_HAS(reader.notes().at(0), " records of the file could not be read");
}

TEST(perfdata_stops_at_what_is_no_record) {
  PerfFile made = two_events();
  made.add(sample_of(at(100), kA, 1));
  made.add(Bytes().add<uint64_t>(0));
  made.add(sample_of(at(200), kA, 2));
  const auto file = opened(made.finish());
  PerfDataReader reader(file, every_event(*file));
  CHECK_EQ(joined(times_of(all_of(file, &reader))), "100");
  CHECK_HAS(reader.notes().at(0), "begins no record: what follows is not read");
}

TEST(perfdata_reads_names_and_symbols_of_tracing_data) {
  PerfFile made;
  made.event(tracepoint_attr(kA), {11});
  made.feature(1, tracing_data({{"made", "a", kA}}, "ffffffff81000000 T _text\nffffffff81000040 t inner\t[mod]\n",
                               "12 twelve\nnonsense\n13 a b\n"));
  made.add(round_end());
  const auto file = opened(made.finish());
  CHECK_EQ(file->tracing.damage, "");
  CHECK_EQ(file->tracing.names.size(), size_t{2});
  CHECK_EQ(file->tracing.names[1].second, "a b");
  const FileSymbols symbols(file);
  CHECK_EQ(symbols.name(0xffffffff81000044, true), "inner+0x4 [mod]");
  CHECK_EQ(symbols.address("_text"), uint64_t{0xffffffff81000000});
  CHECK_EQ(symbols.why_not(), "");
}

TEST(perfdata_never_takes_names_of_another_kernel) {
  PerfFile made;
  made.event(tracepoint_attr(kA), {11}).usual({{"made", "a", kA}}, 1, 2);
  made.add(kernel_map_of("[kernel.kallsyms]_text", 0xffffffff81000000, 0x1000000, 0xffffffff81000000));
  made.add(kernel_map_of("/lib/modules/4.2.0/kernel/drivers/made-up.ko.xz", 0xffffffffc0000000, 0x1000, 0));
  const auto file = opened(made.finish());
  CHECK_EQ(file->kernel_maps.size(), size_t{2});
  const FileSymbols symbols(file);
  CHECK_EQ(symbols.name(0xffffffff81000044, true), "0xffffffff81000044");
  CHECK_EQ(symbols.name(0xffffffffc0000010, true), "0xffffffffc0000010 [made_up]");
  CHECK_EQ(symbols.address("_text"), uint64_t{0});
  CHECK_HAS(symbols.why_not(), "another kernel (4.2.0-test)");
}

// Every combination of the parts a sample may have, written by an independent hand.
TEST(perfdata_parses_every_combination_of_sample_types) {
  const uint64_t bits[] = {PERF_SAMPLE_IDENTIFIER, PERF_SAMPLE_IP,   PERF_SAMPLE_TID,       PERF_SAMPLE_TIME,
                           PERF_SAMPLE_ADDR,       PERF_SAMPLE_ID,   PERF_SAMPLE_STREAM_ID, PERF_SAMPLE_CPU,
                           PERF_SAMPLE_PERIOD,     PERF_SAMPLE_READ, PERF_SAMPLE_CALLCHAIN, PERF_SAMPLE_RAW};
  const uint64_t formats[] = {0, PERF_FORMAT_ID, PERF_FORMAT_GROUP | PERF_FORMAT_ID | 16,
                              PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING};
  size_t wrong = 0;
  for (uint32_t which = 0; which < 4096; which++) {
    for (const uint64_t read_format : formats) {
      perf_event_attr attr{};
      attr.sample_id_all = 1;
      attr.read_format = read_format;
      for (size_t i = 0; i < 12; i++)
        if (which >> i & 1) attr.sample_type |= bits[i];
      const uint64_t type = attr.sample_type;
      Bytes body;
      if (type & PERF_SAMPLE_IDENTIFIER) body.add<uint64_t>(77);
      if (type & PERF_SAMPLE_IP) body.add<uint64_t>(0x1111);
      if (type & PERF_SAMPLE_TID) body.add<uint32_t>(21).add<uint32_t>(22);
      if (type & PERF_SAMPLE_TIME) body.add<uint64_t>(3333);
      if (type & PERF_SAMPLE_ADDR) body.add<uint64_t>(0x4444);
      if (type & PERF_SAMPLE_ID) body.add<uint64_t>(77);
      if (type & PERF_SAMPLE_STREAM_ID) body.add<uint64_t>(78);
      if (type & PERF_SAMPLE_CPU) body.add<uint32_t>(6).add<uint32_t>(0);
      if (type & PERF_SAMPLE_PERIOD) body.add<uint64_t>(7777);
      if (type & PERF_SAMPLE_READ) {
        const bool group = read_format & PERF_FORMAT_GROUP;
        if (group) body.add<uint64_t>(2);
        if (read_format & PERF_FORMAT_TOTAL_TIME_ENABLED) body.add<uint64_t>(1).add<uint64_t>(1);
        for (int i = 0; i < (group ? 2 : 1); i++) {
          body.add<uint64_t>(5);
          if (read_format & PERF_FORMAT_ID) body.add<uint64_t>(77);
          if (read_format & 16) body.add<uint64_t>(0);
        }
      }
      if (type & PERF_SAMPLE_CALLCHAIN) body.add<uint64_t>(2).add<uint64_t>(0xa).add<uint64_t>(0xb);
      if (type & PERF_SAMPLE_RAW) body.append(raw_part(tracepoint(9, 22, 0x9999)));
      const SampleLayout layout(attr);
      Sample sample;
      std::vector<uint64_t> scratch;
      bool good = layout.parse(body.raw(), body.size(), &sample, &scratch);
      good &= sample.ip == (type & PERF_SAMPLE_IP ? 0x1111u : 0u);
      good &= sample.pid == (type & PERF_SAMPLE_TID ? 21u : 0u) && sample.tid == (type & PERF_SAMPLE_TID ? 22u : 0u);
      good &= sample.cpu == (type & PERF_SAMPLE_CPU ? 6u : 0u);
      good &= layout.time_of_sample(body.raw(), body.size()) == (type & PERF_SAMPLE_TIME ? 3333u : 0u);
      const bool has_id = type & (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ID);
      good &= SampleLayout::word(body.raw(), body.size(), layout.id_in_sample()) == (has_id ? 77u : 0u);
      good &= sample.chain_length == (type & PERF_SAMPLE_CALLCHAIN ? 2u : 0u);
      if (sample.chain_length == 2) good &= sample.chain[1] == 0xb;
      good &= (sample.raw != nullptr) == ((type & PERF_SAMPLE_RAW) != 0);
      if (sample.raw) good &= sample.raw_size >= 16 && sample.raw[8] == 0x99;
      // One byte less is too short, unless what is last may be shorter.
      if (type & ~uint64_t{PERF_SAMPLE_RAW})
        good &= !layout.parse(body.raw(),
                              body.size() - (type & PERF_SAMPLE_RAW ? raw_part(tracepoint(9, 22, 0)).size() : 0) - 1,
                              &sample, &scratch);
      wrong += !good;
    }
  }
  CHECK_EQ(wrong, size_t{0});
}

TEST(perfdata_finds_id_time_and_cpu_at_the_end_of_other_records) {
  const uint64_t bits[] = {PERF_SAMPLE_TID,       PERF_SAMPLE_TIME, PERF_SAMPLE_ID,
                           PERF_SAMPLE_STREAM_ID, PERF_SAMPLE_CPU,  PERF_SAMPLE_IDENTIFIER};
  for (uint32_t which = 0; which < 64; which++) {
    perf_event_attr attr{};
    attr.sample_id_all = 1;
    for (size_t i = 0; i < 6; i++)
      if (which >> i & 1) attr.sample_type |= bits[i];
    Bytes body;
    body.add<uint64_t>(1234);
    if (which & 1) body.add<uint32_t>(21).add<uint32_t>(22);
    if (which & 2) body.add<uint64_t>(3333);
    if (which & 4) body.add<uint64_t>(77);
    if (which & 8) body.add<uint64_t>(78);
    if (which & 16) body.add<uint32_t>(6).add<uint32_t>(0);
    if (which & 32) body.add<uint64_t>(77);
    const SampleLayout layout(attr);
    CHECK_EQ(layout.time_of_other(body.raw(), body.size()), which & 2 ? uint64_t{3333} : uint64_t{0});
    uint32_t cpu = 0;
    CHECK_EQ(layout.cpu_of_other(body.raw(), body.size(), &cpu), (which & 16) != 0);
    if (which & 16) CHECK_EQ(cpu, 6u);
    CHECK_EQ(SampleLayout::word_from_end(body.raw(), body.size(), layout.id_from_end()),
             which & 36 ? uint64_t{77} : uint64_t{0});
    CHECK_EQ(layout.trailer() + 8, body.size());
    attr.sample_id_all = 0;
    CHECK_EQ(SampleLayout(attr).trailer(), 0u);
  }
}
