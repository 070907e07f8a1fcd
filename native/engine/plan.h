// A monitor's plan as the addon receives it: see src/monitors/monitor.ts for the meaning of every member.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "perf/transport.h"
#include "trace/dynamic_event.h"

namespace ktop {

using Named = std::vector<std::pair<std::string, std::string>>;  // column or input → expression, in order

struct EventSpec {
  std::string id;
  std::vector<std::string> names;  // "sys:name", the first that exists is taken
  std::string filter;
  bool stack = false;
  bool is_optional = false;
  std::string optional;     // note when missing
  uint32_t user_stack = 0;  // bytes
  ProbeSpec probe = {};     // armed for it when `kind` is given; `names` is empty then
  // Texts that system calls are given: number of the call, a letter for each argument, 's' = text. `names` is empty
  // then.
  std::vector<std::pair<int64_t, std::string>> texts = {};
  bool is_secondary = false;   // left out first when there is too much
  std::string secondary = {};  // what is missing then
  std::string sample = {};     // kernel filter that lets only a share of them pass, for when there is too much
};

struct ClauseSpec {
  std::string event;   // id of an EventSpec, or "@clock"
  std::string unless;  // id of an event: the clause holds only where that one is absent
  std::string as;
  std::string where;
  Named key;
  Named add;
  Named group = {};  // pair: instead of the operator's
};

// One table of finished pairs or stays.
struct RollupSpec {
  std::string name;
  std::vector<std::string> by;  // columns that make a row
  std::string only;             // only where this column is not 0
};

// Table of the pairs that have begun and not ended.
struct OpenSpec {
  std::string name;  // "" = none
  Named columns;     // more columns, from the start event
  uint64_t age_ns = 0;
  bool task = false, stack = false;  // what the task does now
};

struct OperatorSpec {
  std::string op, name;
  std::vector<ClauseSpec> on;
  bool keep = false;
  Named group;
  uint64_t than_ns = 0;
  std::string alarm;
  Named sums;
  std::vector<std::string> timed;  // pair: of the sums those that are multiplied by the latency
  bool percpu = false, histogram_per_group = false;
  std::vector<RollupSpec> tables;
  OpenSpec open;
  bool early = false, others = false;
  std::string measure;
  std::vector<int64_t> cpus;  // state: only what lies on these
  uint32_t busy_pct = 0, busy_frequency = 0;
  std::string states, quiet_states;
  std::string comm;
  std::vector<int64_t> pids;
  bool idle_blind = false;  // state: switches out of idle may be missing on this host
  uint64_t age_ns = 0;
  uint64_t period_ns = 0;
  uint64_t ttl_ns = 0;
  uint32_t cap = 0;
  std::string process;
  std::string lines, files, slow;  // descriptors: names of its tables, "" = none
  bool leaves = false;             // calls: what calls nothing in one line
  bool only = false;               // calls: not those that hold nothing but context
  uint32_t root = 0;               // calls: only this task and what it starts (told by the session)
};

struct PollSpec {
  std::string poll, name;
  Named events;                    // counters: column → event
  std::vector<std::string> match;  // kernel-log: texts
  Named filters = {};   // counters: column → the kernel's filter; they are counted as one group then, with totals
  bool others = false;  // counters with filters: not what ktop itself does
};

// What may be left out when watching costs more than the budget.
struct ShedSpec {
  std::string last = "never";  // "duty": watched for a share of the time; "off": not at all, for a while; "never"
  std::string lacks;           // what such figures do not have, or why nothing may be left out
  bool keeps_stacks = false;   // call chains are what it is about
  double sample_share = 1;     // of what there is, when the events' `sample` filters are on
  std::string sample_says;
};

struct Plan {
  std::vector<EventSpec> events;
  std::vector<OperatorSpec> operators;
  std::vector<PollSpec> polls;
  // Texts for numbers, of columns shown as "expr:NAME".
  std::vector<std::pair<std::string, std::vector<std::pair<int64_t, std::string>>>> names;
  SamplerSpec sampler;
  std::string sampler_counter;   // "split-lock": that counter instead of the clock
  bool sample_hardware = false;  // the best counter there is, else the clock
  std::vector<int> cpus;
  bool all_cpus = false;  // events of all CPUs are taken, operators choose among them
  uint32_t mmap_pages = 0;
  GraphSpec graph;
  std::vector<std::string> notes;    // of an `otherwise`: to be said with every snapshot
  std::vector<std::string> command;  // run with it, and traced with all that it starts
  bool command_to_file = false;      // what it says, instead of to stderr
  std::shared_ptr<Plan> otherwise;   // opened where there is no function_graph
  bool complete = false;
  bool steady = false;  // snapshots are wanted also while a CPU has interrupts off
  std::string backend;  // "", "perf", "tracefs"
  ShedSpec shed;
  double budget = 0;  // of one CPU, 0.05 = 5 %; 0: none
};

}  // namespace ktop
