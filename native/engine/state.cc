// state: per task, which scheduler state since when; offenders are stays longer than a threshold.
//
//   switch, as prev    on CPU        → the state it left in (0 and the preempted bit: runnable)
//   wakeup             S D T t I     → runnable; that stay ends
//   switch, as next    runnable      → on CPU; the run delay ends
#include "engine/state.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "perf/transport.h"
#include "proc/files.h"
#include "trace/print_format.h"

namespace ktop {

StateLetters::StateLetters(const EventFormat* format) {
  if (format && format->print) table_ = format->print->table("prev_state");
  uint64_t highest = 0;
  for (auto& [bit, letter] : table_) highest = std::max(highest, bit);
  preempted_ = highest << 1;
}

char StateLetters::letter(int64_t prev_state) const {
  const uint64_t value = static_cast<uint64_t>(prev_state);
  if (value == 0 || (preempted_ && (value & preempted_))) return 'R';
  for (auto& [bit, letter] : table_)
    if ((value & bit) && !letter.empty()) return letter[0];
  return '?';
}

State::State(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine)
    : spec_(spec),
      clauses_(std::move(clauses)),
      filter_(spec, engine),
      watched_(spec.states),
      runs_(spec.measure == "run"),
      waits_(spec.measure == "wait"),
      tables_(spec) {
  if (!spec.measure.empty() && !runs_ && !waits_)
    throw Failure(Failure::kInternal, spec.name + ": what state measures is run or wait");
  for (const Clause& clause : clauses_) {
    Inputs inputs;
    if (clause.as == "switch") {
      inputs.prev = &clause.input("prev");
      inputs.prev_state = &clause.input("prev_state");
      inputs.next = &clause.input("next");
      letters_ = StateLetters(engine.formats[clause.slot]);
    } else if (clause.as == "wakeup") {
      inputs.next = &clause.input("tid");
      inputs.cpu = clause.find_input("cpu");
    } else if (clause.as == "seen") {
      inputs.seen = samples_ = true;
    } else {
      throw Failure(Failure::kInternal, spec.name + ": a clause of state is switch, wakeup or seen");
    }
    inputs_.push_back(inputs);
  }
}

void State::on_event(uint32_t index, const Record& record, Engine& engine) {
  const Clause& clause = clauses_[index];
  if (!clause.passes(record, engine)) return;
  if (first_ == 0) first_ = window_ = record.time;
  latest_ = std::max(latest_, record.time);
  const Inputs& in = inputs_[index];
  if (in.seen) {
    seen(record.tid, record);
    return;
  }
  if (!in.prev) {
    const uint32_t cpu = in.cpu ? static_cast<uint32_t>(in.cpu->eval(record, engine)) : record.cpu;
    woken(static_cast<uint32_t>(in.next->eval(record, engine)), cpu, record, engine);
    return;
  }
  const uint32_t prev = static_cast<uint32_t>(in.prev->eval(record, engine));
  const uint32_t next = static_cast<uint32_t>(in.next->eval(record, engine));
  OnCpu& on = on_cpu(record.cpu);
  if (runs_) leaves_cpu(on, prev, record, engine);
  on.known = on.exact = true;
  on.told = on.moved = false;
  on.tid = next;
  on.since = record.time;
  if (runs_) keep(on, record);
  // More tasks than there can be: a file may say anything.
  if (nodes_.size() >= kMostTasks) nodes_.clear();
  if (prev != 0) left(prev, letters_.letter(in.prev_state->eval(record, engine)), next, record, engine);
  if (next != 0) on.moved = entered(next, record, engine);
}

State::OnCpu& State::on_cpu(uint32_t cpu) {
  if (cpu >= on_cpu_.size()) on_cpu_.resize(cpu + 1);
  return on_cpu_[cpu];
}

// A sample. What nobody has told of a CPU was so since we look; what was told otherwise has changed unseen.
void State::seen(uint32_t tid, const Record& record) {
  OnCpu& on = on_cpu(record.cpu);
  if (on.known && on.tid == tid) return;
  if (on.known && runs_) unseen(on, record.time);
  on.since = on.known ? record.time : std::max(first_, on.blind_until);
  on.known = true;
  on.exact = on.told = on.moved = false;
  on.tid = tid;
  on.raw_size = 0;
  if (tid == 0) return;
  Node& node = nodes_[tid];
  node.ran_on = record.cpu;
  if (node.state != 'R') return;
  node.state = kOnCpu;  // since when is not known
  node.exact = false;
}

void State::unseen(const OnCpu& on, Nanos now) {
  unseen_switches_++;
  unseen_ns_ += now > on.since ? now - on.since : 0;
}

void State::leaves_cpu(OnCpu& on, uint32_t tid, const Record& record, Engine& engine) {
  if (!on.known) {
    on.exact = on.told = on.moved = false;
    on.tid = tid;
    on.raw_size = 0;
    on.since = std::max(first_, on.blind_until);
  } else if (on.tid != tid) {
    unseen(on, record.time);
    return;
  }
  if (record.time < on.since || !wanted(tid, engine)) return;
  const uint64_t took = record.time - on.since;
  const Nanos from = std::max(on.since, window_);
  Stay stay;
  stay.cpu = record.cpu;
  stay.tid = tid;
  stay.within = record.time > from ? record.time - from : 0;
  stay.begun = on.exact && on.since >= window_;
  stay.moved = on.moved;
  stay.ended = true;
  stay.exact = on.exact && tid != 0;  // how long a CPU idles is another question
  stay.took = took;
  tables_.add(stay);
  if (tid != 0 && spec_.than_ns != 0 && took > spec_.than_ns && tables_.wants(record.cpu))
    tell_run(record.cpu, on, record.time, &record, engine);
}

// Keeps the event that began something, as far as its end may be told of.
template <typename Begun>
void State::keep(Begun& begun, const Record& record) const {
  begun.raw_size = 0;
  if (spec_.than_ns == 0) return;
  begun.by = record.tid;
  begun.slot = record.slot;
  begun.raw_size = static_cast<uint16_t>(std::min<size_t>(record.size, kMostRaw));
  if (begun.raw_size) std::memcpy(begun.raw.data(), record.raw, begun.raw_size);
}

// Both events of a stay, the second where it has come.
template <typename Begun>
void State::add_events(LogData& entry, uint32_t cpu, const Begun& begun, const Record* end, Engine& engine) const {
  if (begun.raw_size == 0) return;
  const auto line = [&](const Record& record) {
    return event_line(record, engine.strings.text(engine.tasks.get(record.tid).comm), begun.since, engine);
  };
  Record start;
  start.time = begun.since;
  start.cpu = cpu;
  start.tid = begun.by;
  start.slot = begun.slot;
  start.raw = begun.raw.data();
  start.size = begun.raw_size;
  entry.between.push_back(line(start));
  if (end) entry.between.push_back(line(*end));
}

// `end` is null while it lasts.
void State::tell_run(uint32_t cpu, const OnCpu& on, Nanos now, const Record* end, Engine& engine) {
  LogData entry;
  const Task& task = engine.tasks.get(on.tid);
  entry.at_ms = static_cast<double>(on.since) / 1e6;
  entry.cpu = cpu;
  entry.pid = task.pid;
  entry.tid = on.tid;
  entry.comm = engine.strings.text(task.comm);
  char text[96];
  std::snprintf(text, sizeof text, "%s%.1f ms on CPU %u without a break%s", on.exact ? "" : "at least ",
                static_cast<double>(now - on.since) / 1e6, cpu, end ? "" : ", still there");
  entry.text = text;
  add_events(entry, cpu, on, end, engine);
  log_.add(std::move(entry));
}

void State::begin(Node& node, char state, uint32_t cpu, const Record& record) {
  node.state = state;
  node.exact = true;
  node.told = false;
  node.cpu = cpu;
  node.stack = 0;
  node.since = record.time;
  keep(node, record);
}

void State::left(uint32_t tid, char letter, uint32_t next, const Record& record, Engine& engine) {
  if (letter == 'X' || letter == 'Z') {
    nodes_.erase(tid);
    return;
  }
  Node& node = nodes_[tid];
  if (node.state == kOnCpu && node.since) account(kRunning, tid, node, record.time, engine);
  begin(node, letter, record.cpu, record);
  node.ran_on = record.cpu;
  node.next = next;
  if (record.frame_count) node.stack = engine.stacks.id(record.frames, record.frame_count);
}

void State::woken(uint32_t tid, uint32_t cpu, const Record& record, Engine& engine) {
  // More tasks than there can be: a file may say anything.
  if (nodes_.size() >= kMostTasks) nodes_.clear();
  const auto [at, fresh] = nodes_.emplace(tid);
  Node& node = *at;
  if (!fresh) {
    if (node.state == 'R') return;  // runnable already: the older time counts
    if (node.state != kOnCpu) finish(tid, node, record, engine);
    // A wakeup of a task that is still on its way out of the CPU keeps it on the CPU.
    if (node.state == kOnCpu) return;
  }
  begin(node, 'R', cpu, record);
  if (record.frame_count) node.stack = engine.stacks.id(record.frames, record.frame_count);
}

// True when it ran on another CPU before.
bool State::entered(uint32_t tid, const Record& record, Engine& engine) {
  Node& node = nodes_[tid];
  if (node.state == 'R') finish(tid, node, record, engine);
  const bool moved = node.ran_on != kNowhere && node.ran_on != record.cpu;
  node.state = kOnCpu;
  node.exact = true;
  node.cpu = node.ran_on = record.cpu;
  node.stack = 0;
  node.since = record.time;
  return moved;
}

void State::finish(uint32_t tid, const Node& node, const Record& record, Engine& engine) {
  account(kind_of(node.state), tid, node, record.time, engine);
  const uint64_t took = record.time > node.since ? record.time - node.since : 0;
  if (waits_ && node.state == 'R' && node.exact && record.time >= node.since && wanted(tid, engine)) {
    Stay stay;
    stay.cpu = record.cpu;
    stay.tid = tid;
    stay.ended = stay.exact = true;
    stay.took = took;
    tables_.add(stay);
  }
  if (watched_.find(node.state) == std::string::npos || took == 0) return;
  if (!node.exact && quiet(node.state)) return;
  if (took < spec_.than_ns || !wanted(tid, engine) || !tables_.wants(waits_ ? record.cpu : node.cpu)) return;
  const int64_t key[3] = {tid, node.state, life(tid)};
  if (stays_.size() >= kMostRows && stays_.find(key) == KeyMap::kNone) {
    overflow_++;
    return;
  }
  bool fresh;
  const uint32_t row = stays_.insert(key, &fresh);
  if (row >= stats_.size()) {
    stats_.resize(row + 1);
    owners_.resize(row + 1);
  }
  stats_[row].add(took);
  know(row, engine);
  if (!quiet(node.state)) tell(tid, node, record.time, &record, engine);
}

// `end` is null while it lasts.
void State::tell(uint32_t tid, const Node& node, Nanos now, const Record* end, Engine& engine) {
  LogData entry;
  const Task& task = engine.tasks.get(tid);
  const auto name = [&engine](uint32_t of) {
    return engine.strings.text(engine.tasks.get(of).comm) + "/" + std::to_string(of);
  };
  entry.at_ms = static_cast<double>(node.since) / 1e6;
  entry.cpu = node.cpu;
  entry.pid = task.pid;
  entry.tid = tid;
  entry.comm = engine.strings.text(task.comm);
  char text[96];
  std::snprintf(text, sizeof text, "%s%.1f ms in %c", node.exact ? "" : "at least ",
                static_cast<double>(now - node.since) / 1e6, node.state);
  entry.text = text;
  if (node.state != 'R' && end && end->tid != tid) entry.text += ", woken by " + name(end->tid);
  if (node.state == 'R' && node.raw_size) {
    if (node.by == tid)
      entry.text += ", lost CPU " + std::to_string(node.cpu) + " to " + name(node.next);
    else
      entry.text += ", woken by " + name(node.by);
    if (end && end->cpu != node.cpu) entry.text += ", ran on CPU " + std::to_string(end->cpu);
  }
  if (!end) entry.text += ", not over yet";
  entry.stack = stack_lines(node.stack, engine);
  add_events(entry, node.cpu, node, end, engine);
  log_.add(std::move(entry));
}

void State::account(size_t kind, uint32_t tid, const Node& node, Nanos now, Engine& engine) {
  if (kind >= kinds_.size() || !node.exact || now <= node.since || !wanted(tid, engine) || !tables_.wants(node.cpu))
    return;
  kinds_[kind].add(now - node.since);
}

void State::write_states(SnapshotData& out) {
  TableData table;
  table.name = spec_.name + "_states";
  table.key = {"state"};
  table.length = static_cast<uint32_t>(kinds_.size());
  ColumnData& state = table.text("state");
  for (const char* kind : kKinds) state.add_text(kind);
  const auto number = [&](const char* name, auto value) {
    ColumnData& column = table.number(name);
    for (const Latency& each : kinds_) column.add(each.count ? static_cast<double>(value(each)) : 0);
  };
  number("count", [&out](const Latency& s) { return out.scaled(static_cast<double>(s.count)); });
  number("total_ns", [&out](const Latency& s) { return out.scaled(static_cast<double>(s.sum)); });
  number("min_ns", [](const Latency& s) { return s.min; });
  number("p50_ns", [](const Latency& s) { return s.quantile(0.50); });
  number("p95_ns", [](const Latency& s) { return s.quantile(0.95); });
  number("p99_ns", [](const Latency& s) { return s.quantile(0.99); });
  number("max_ns", [](const Latency& s) { return s.max; });
  out.tables.push_back(std::move(table));
  kinds_ = {};
}

void State::on_lost(const LostWindow& window, Engine&) {
  // A stay that spans the window may have ended inside it: forget it rather than make one up.
  nodes_.erase_if([&](const Node& node) { return node.since < window.to; });
  lost_windows_ += !window.unwatched;
  const bool every = window.cpu == LostWindow::kEveryCpu;
  if (!every) on_cpu(window.cpu);
  for (uint32_t cpu = every ? 0 : window.cpu; cpu < (every ? on_cpu_.size() : window.cpu + 1); cpu++) {
    OnCpu& on = on_cpu_[cpu];
    on.blind_until = std::max(on.blind_until, window.to);
    if (on.since < window.to) on.known = false;
  }
  // Of CPUs that nobody has told of yet, nothing is known from before either.
  if (every) first_ = std::max(first_, window.to);
}

bool State::runs_unseen(uint32_t tid, Node& node, Nanos now) {
  if (!spec_.idle_blind || node.state != 'R' || node.cpu >= on_cpu_.size()) return false;
  OnCpu& cpu = on_cpu_[node.cpu];
  if (!cpu.known || cpu.tid != 0 || cpu.since > node.since) return false;
  // Where samples are taken the next one says whether it is so; and whether the CPU is idle, which what a filter by
  // name leaves of the switches does not.
  if (samples_) return now - node.since < kSampled;
  cpu.tid = tid;
  cpu.since = node.since;
  cpu.raw_size = 0;
  node.state = kOnCpu;
  node.exact = false;
  return true;
}

void State::on_exit(uint32_t tid, Nanos, Engine& engine) {
  nodes_.erase(tid);
  // The last moment at which its name is known.
  for (char state : watched_) {
    const int64_t key[3] = {tid, state, life(tid)};
    const uint32_t row = stays_.find(key);
    if (row != KeyMap::kNone) know(row, engine);
  }
}

// A number may be another's now: its stays begin anew, in a row of its own.
void State::on_fork(const TaskRecord& task, Engine&) {
  for (char state : watched_) {
    const int64_t key[3] = {task.tid, state, life(task.tid)};
    if (stays_.find(key) == KeyMap::kNone) continue;
    lives_[task.tid]++;
    return;
  }
}

uint32_t State::life(uint32_t tid) const {
  const auto found = lives_.find(tid);
  return found == lives_.end() ? 0 : found->second;
}

void State::know(uint32_t row, Engine& engine) {
  const Task& task = engine.tasks.get(static_cast<uint32_t>(stays_.key(row)[0]));
  owners_[row] = {task.pid, engine.strings.text(task.comm)};
}

void State::on_initial_state(uint32_t tid, char letter, uint32_t cpu, Nanos now, Engine&) {
  // Runs, or waits for it: only samples tell.
  if ((letter == 'R' && !samples_) || letter == 'X' || letter == 'Z') return;
  const auto [at, fresh] = nodes_.emplace(tid);
  if (!fresh) return;  // events have told more of it
  Node& node = *at;
  node.state = letter;
  node.exact = false;
  node.cpu = cpu;
  node.since = now;
}

// Who is on the CPUs now, or waits for one: with the part that lies in this window.
void State::measure_open(Nanos now, Engine& engine) {
  for (uint32_t cpu = 0; runs_ && cpu < on_cpu_.size(); cpu++) {
    OnCpu& on = on_cpu_[cpu];
    if (!on.known || on.since >= now || !wanted(on.tid, engine)) continue;
    Stay stay;
    stay.cpu = cpu;
    stay.tid = on.tid;
    stay.within = now - std::max(on.since, window_);
    stay.begun = on.exact && on.since >= window_;
    stay.moved = on.moved;
    stay.took = now - on.since;
    tables_.add(stay);
    if (!spec_.early || on.told || on.tid == 0 || spec_.than_ns == 0 || stay.took <= spec_.than_ns) continue;
    if (!tables_.wants(cpu)) continue;
    on.told = true;
    tell_run(cpu, on, now, nullptr, engine);
  }
  for (auto& [tid, node] : nodes_) {
    if (!waits_ || node.state != 'R' || node.since >= now || !wanted(tid, engine) || runs_unseen(tid, node, now))
      continue;
    // Until a sample has been taken on each CPU such a task may as well run.
    if (!node.exact && now - node.since < kSampled) continue;
    Stay stay;
    stay.cpu = node.cpu;
    stay.tid = tid;
    stay.took = now - node.since;
    tables_.add(stay);
    if (!spec_.early || node.told || spec_.than_ns == 0 || stay.took <= spec_.than_ns || !tables_.wants(node.cpu))
      continue;
    node.told = true;
    tell(tid, node, now, nullptr, engine);
  }
}

void State::snapshot(SnapshotData& out, Nanos now, Engine& engine) {
  std::vector<OffenderRow> rows;
  std::vector<size_t> row_of(stays_.rows(), SIZE_MAX);  // row of stays_ → index in rows
  for (uint32_t row = 0; row < stays_.rows(); row++) {
    if (!stays_.alive(row)) continue;
    OffenderRow offender;
    offender.tid = static_cast<uint32_t>(stays_.key(row)[0]);
    offender.state = static_cast<char>(stays_.key(row)[1]);
    offender.life = static_cast<uint32_t>(stays_.key(row)[2]);
    if (offender.life == life(offender.tid) && nodes_.has(offender.tid)) know(row, engine);
    offender.pid = owners_[row].pid;
    offender.comm = owners_[row].comm;
    offender.finished = &stats_[row];
    row_of[row] = rows.size();
    rows.push_back(offender);
  }
  uint64_t asleep = 0;
  for (auto& [tid, node] : nodes_) {
    if (watched_.find(node.state) == std::string::npos || now <= node.since) continue;
    const uint64_t age = now - node.since;
    if (age < spec_.than_ns || !wanted(tid, engine) || !tables_.wants(node.cpu) || runs_unseen(tid, node, now))
      continue;
    if (!node.exact && quiet(node.state)) {
      asleep++;
      continue;
    }
    const int64_t key[3] = {tid, node.state, life(tid)};
    const uint32_t row = stays_.find(key);
    if (row == KeyMap::kNone) rows.emplace_back();
    OffenderRow& offender = row == KeyMap::kNone ? rows.back() : rows[row_of[row]];
    const Task& task = engine.tasks.get(tid);
    offender.tid = tid;
    offender.pid = task.pid;
    offender.comm = engine.strings.text(task.comm);
    offender.life = life(tid);
    offender.state = node.state;
    offender.current = age;
    offender.stack = node.stack;
  }
  write_offenders(out, spec_.name, rows, engine);
  write_states(out);
  if (runs_ || waits_) {
    // What came while the last events were fetched belongs to this window, too.
    const Nanos edge = std::max(now, latest_);
    measure_open(edge, engine);
    tables_.write(out, edge - window_, engine);
    window_ = edge;
    if (unseen_switches_) {
      char note[96];
      std::snprintf(note, sizeof note, "%llu switches were not seen: %.1f ms on CPUs are nobody's",
                    static_cast<unsigned long long>(unseen_switches_), static_cast<double>(unseen_ns_) / 1e6);
      out.notes.push_back(note);
    }
    unseen_switches_ = unseen_ns_ = 0;
  }
  if (asleep)
    out.notes.push_back(std::to_string(asleep) + " tasks asleep since before the start are not listed (-S lists them)");
  if (overflow_)
    out.notes.push_back(spec_.name + ": more than " + std::to_string(kMostRows) + " offenders, " +
                        std::to_string(overflow_) + " stays not shown");
  if (lost_windows_) {
    out.notes.push_back(std::to_string(lost_windows_) + " lost windows: stays that span them are not shown");
    lost_windows_ = 0;
  }
  log_.flush(spec_.name, out);
  if (spec_.keep) return;
  stays_.clear();
  stats_.clear();
  owners_.clear();
  lives_.clear();
}

std::unique_ptr<Operator> make_state(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine) {
  return std::make_unique<State>(spec, std::move(clauses), engine);
}

}  // namespace ktop
