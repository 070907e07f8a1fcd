// The state operator and the table it yields.
#pragma once
#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/key_map.h"
#include "engine/operator.h"
#include "engine/stats.h"
#include "engine/stay_tables.h"
#include "engine/task_map.h"

namespace ktop {

// prev_state → letter, read from the event's own print fmt: the bits moved several times in the kernel's history.
class StateLetters {
 public:
  explicit StateLetters(const EventFormat* format = nullptr);
  // 'R' for runnable (voluntarily or preempted), S D T t X Z P I as the kernel prints them, '?' for none of them.
  char letter(int64_t prev_state) const;

 private:
  std::vector<std::pair<uint64_t, std::string>> table_;
  uint64_t preempted_ = 0;
};

struct OffenderRow {
  uint32_t tid = 0, pid = 0;
  std::string comm;
  char state = 0;
  uint32_t life = 0;                  // how many had the number of this task before it, since there were rows of theirs
  const Latency* finished = nullptr;  // null: none ended yet
  uint64_t current = 0;               // ns in the state now, 0: not in it
  uint32_t stack = 0;
};

// rows: pid tid life state count total_ns max_ns p99_ns current_ns wchan stack severity
void write_offenders(SnapshotData& out, const std::string& name, std::vector<OffenderRow>& rows, Engine& engine);

class State final : public Operator {
 public:
  State(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine);
  void on_event(uint32_t clause, const Record& record, Engine& engine) override;
  void on_lost(const LostWindow& window, Engine& engine) override;
  void on_cpu_gone(uint32_t cpu) override { on_cpu(cpu).known = false; }
  void on_exit(uint32_t tid, Nanos time, Engine& engine) override;
  void on_fork(const TaskRecord& task, Engine& engine) override;
  bool wants_states() const override { return true; }
  void on_start(Nanos now) override { first_ = window_ = now; }
  void on_initial_state(uint32_t tid, char letter, uint32_t cpu, Nanos now, Engine& engine) override;
  void snapshot(SnapshotData& out, Nanos now, Engine& engine) override;

 private:
  static constexpr char kOnCpu = '*';
  // Everything a task can be doing, in the order of the table; RD is run delay: runnable, waiting for a CPU.
  static constexpr const char* kKinds[] = {"R", "S", "D", "T", "t", "I", "RD"};
  static constexpr size_t kRunning = 0, kRunDelay = 6;
  static size_t kind_of(char state) {
    for (size_t i = 1; i < kRunDelay; i++)
      if (kKinds[i][0] == state) return i;
    return state == 'R' ? kRunDelay : state == kOnCpu ? kRunning : kRunDelay + 1;
  }
  static constexpr uint32_t kMostRows = 4096;
  static constexpr size_t kMostTasks = 4 << 20;  // PID_MAX_LIMIT
  static constexpr size_t kMostRaw = 64;         // bytes of a sched_switch
  static constexpr uint64_t kSampled = 500'000'000;
  static constexpr uint32_t kNowhere = UINT32_MAX;
  struct Node {
    char state = kOnCpu;
    bool exact = true;  // false: it was in this state before we looked, so the time is a lower bound
    bool told = false;  // in the log, while it lasts
    uint32_t cpu = 0;
    uint32_t stack = 0;
    uint32_t ran_on = kNowhere;  // CPU it was on last
    Nanos since = 0;
    // The event that began it, when stays are logged; size 0: none was seen.
    uint32_t by = 0;    // who ran then
    uint32_t next = 0;  // who got its CPU
    uint16_t slot = 0, raw_size = 0;
    std::array<uint8_t, kMostRaw> raw;
  };
  // What each CPU runs, as far as its switches were seen.
  struct OnCpu {
    bool known = false, exact = false, moved = false, told = false;
    uint32_t tid = 0;
    Nanos since = 0;
    Nanos blind_until = 0;  // its events are complete from then on
    // The switch to the task, when long stays are logged; size 0: none was seen.
    uint32_t by = 0;  // who ran then
    uint16_t slot = 0, raw_size = 0;
    std::array<uint8_t, kMostRaw> raw;
  };
  struct Inputs {
    const Expr *prev = nullptr, *prev_state = nullptr, *next = nullptr, *cpu = nullptr;
    bool seen = false;  // a sample: it runs
  };

  void seen(uint32_t tid, const Record& record);
  void unseen(const OnCpu& on, Nanos now);
  void begin(Node& node, char state, uint32_t cpu, const Record& record);
  OnCpu& on_cpu(uint32_t cpu);
  void leaves_cpu(OnCpu& on, uint32_t tid, const Record& record, Engine& engine);
  void tell_run(uint32_t cpu, const OnCpu& on, Nanos now, const Record* end, Engine& engine);
  template <typename Begun>
  void keep(Begun& begun, const Record& record) const;
  template <typename Begun>
  void add_events(LogData& entry, uint32_t cpu, const Begun& begun, const Record* end, Engine& engine) const;
  void tell(uint32_t tid, const Node& node, Nanos now, const Record* end, Engine& engine);
  void measure_open(Nanos now, Engine& engine);
  void left(uint32_t tid, char letter, uint32_t next, const Record& record, Engine& engine);
  void woken(uint32_t tid, uint32_t cpu, const Record& record, Engine& engine);
  bool entered(uint32_t tid, const Record& record, Engine& engine);
  void account(size_t kind, uint32_t tid, const Node& node, Nanos now, Engine& engine);
  void write_states(SnapshotData& out);
  void finish(uint32_t tid, const Node& node, const Record& record, Engine& engine);
  bool wanted(uint32_t tid, Engine& engine) { return filter_.passes(tid, engine); }

  const OperatorSpec spec_;
  const std::vector<Clause> clauses_;
  std::vector<Inputs> inputs_;
  TaskFilter filter_;
  const std::string watched_;
  const bool runs_, waits_;  // which stays are measured
  bool samples_ = false;     // of what the CPUs run
  StayTables tables_;
  Nanos first_ = 0, window_ = 0, latest_ = 0;
  StateLetters letters_;
  TaskMap<Node> nodes_;
  // Whose stays they are; a number that is given anew says something else.
  struct Owner {
    uint32_t pid = 0;
    std::string comm;
  };
  uint32_t life(uint32_t tid) const;
  void know(uint32_t row, Engine& engine);
  KeyMap stays_{3};  // (tid, state, life) → row of stats_ and owners_
  std::vector<Latency> stats_;
  std::vector<Owner> owners_;
  std::unordered_map<uint32_t, uint32_t> lives_;  // of numbers that have rows and were given anew
  // The task waits for a CPU that went idle before: on such a host it is running, only the switch was not recorded.
  bool runs_unseen(uint32_t tid, Node& node, Nanos now);
  std::vector<OnCpu> on_cpu_;
  std::array<Latency, 7> kinds_;  // of this interval
  Log log_;
  bool quiet(char state) const { return spec_.quiet_states.find(state) != std::string::npos; }
  uint64_t overflow_ = 0, lost_windows_ = 0, unseen_switches_ = 0, unseen_ns_ = 0;
};

}  // namespace ktop
