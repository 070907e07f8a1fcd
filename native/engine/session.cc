#include "session.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "engine/event_groups.h"
#include "perf/closer.h"
#include "perf/counters.h"
#include "perf/cpus.h"
#include "proc/files.h"
#include "symbols/kallsyms.h"
#include "trace/call_texts.h"
#include "trace/event_probe.h"
#include "trace/graph_tracer.h"
#include "trace/saved_settings.h"
#include "trace/tracefs.h"

namespace ktop {
namespace {

std::pair<std::string, std::string> split(const std::string& name) {
  const size_t colon = name.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == name.size())
    throw Failure(Failure::kUsage, "\"" + name + "\" is not an event; write it as system:name");
  return {name.substr(0, colon), name.substr(colon + 1)};
}

std::string no_tracefs(const Host& host) {
  return host.root ? "tracefs cannot be mounted on /sys/kernel/tracing; is it compiled into this kernel?"
                   : "tracefs may not be read; run ktop as root, or with CAP_PERFMON and the right to read tracefs "
                     "(docs/privileges.md)";
}

std::string no_samples(const Host& host) {
  return "no CPU samples: perf does not open them (" + host.why + "); run as root, or with CAP_PERFMON";
}

std::string no_instances(const Host& host) {
  return "it needs a trace instance of its own, and none may be made in " + host.tracefs +
         "/instances; run ktop as root";
}

bool may_make_instances(const Host& host) { return !host.tracefs.empty() && may(host.tracefs + "/instances", W_OK); }

// Without samples there would be nothing to see.
bool needs_samples(const Plan& plan) {
  const auto optional = [](const EventSpec& event) { return event.is_optional; };
  return plan.polls.empty() && std::all_of(plan.events.begin(), plan.events.end(), optional);
}

// Where every event counts: it slows the observed load half as much as perf samples do, and no host was met on which it
// drops events of idle CPUs, as some do with perf. Its reader costs more, so the others stay with perf.
bool prefers_tracefs(const Plan& plan, const Host& host) {
  if (!plan.backend.empty()) return plan.backend == "tracefs";
  return plan.complete && may_make_instances(host);
}

}  // namespace

const Host& Host::get(bool mount) {
  static Host host;
  static std::once_flag once;
  std::call_once(once, [mount] {
    host.root = geteuid() == 0;
    host.tracefs = find_tracefs(mount && host.root, &host.mounted);
    // Mounted but closed to us is as good as not there.
    if (!may(host.tracefs + "/events", R_OK | X_OK)) host.tracefs.clear();
    const std::string paranoid = slurp("/proc/sys/kernel/perf_event_paranoid");
    if (!paranoid.empty()) host.paranoid = std::atoi(paranoid.c_str());
    const PerfProbe probe = probe_perf(host.tracefs);
    host.tracepoints = probe.tracepoints;
    host.hardware = probe.hardware;
    host.clock = probe.clock;
    host.loses_idle = probe.loses_idle;
    host.why = probe.why;
    if (!host.tracefs.empty() && host.root) {
      sweep_instances(host.tracefs);
      sweep_saved_settings(host.tracefs);
    }
  });
  return host;
}

Session::Session(const Plan& plan) : plan_(plan) {
  online_ = online_cpus();
  choose_plan();
  start_command();
  resolve_events();
  for (const PollSpec& poll : plan_.polls) polls_.push_back(make_poll(poll, plan_.cpus, Host::get(false).tracefs));
  const Host& host = Host::get(false);
  if (!spec_.events.empty() || spec_.sampler.on()) open_transport(prefers_tracefs(plan_, host));
  last_ = now_ns();
  if (transport_) {
    start_flow();
    last_ = now_ns();
    // The side band flows already, so no fork is missed; what is read here is corrected by the events that follow.
    pipeline_->seed_from_proc(last_);
    if (command_) command_->go();
    start_reader();
  }
}

Session::~Session() {
  stop_reader();
  if (transport_) transport_->stop();
  // After the descriptors and instances of the transport, which keep its events in use.
  transport_.reset();
  if (!probes_.empty()) close_later({{}, {}, [probes = std::move(probes_)]() mutable { probes.clear(); }});
}

void Session::choose_plan() {
  const std::string& tracefs = Host::get(false).tracefs;
  if (plan_.graph.on && plan_.otherwise) {
    const std::string why = why_no_graph(tracefs);
    if (!why.empty()) {
      note_once("no function calls here, but system calls and events: " + why);
      const double budget = plan_.budget;
      plan_ = Plan(*plan_.otherwise);
      plan_.budget = budget;
      for (const std::string& note : plan_.notes) note_once(note);
    }
  }
  for (const std::string& pattern : expand_groups(&plan_, tracefs))
    note_once("no event of this kernel is called " + pattern);
}

void Session::start_command() {
  if (plan_.command.empty()) return;
  // Opened again (another tab and back, other options) it would do its work twice.
  static std::set<std::vector<std::string>> started;
  if (!started.insert(plan_.command).second)
    throw Failure(Failure::kUsage, plan_.command[0] + " has been run already; start ktop again to run it once more");
  command_ = std::make_unique<Command>(plan_.command, plan_.command_to_file);
  plan_.graph.pids = {command_->pid()};
  if (!plan_.graph.on)
    for (OperatorSpec& op : plan_.operators)
      if (op.op == "calls") op.root = static_cast<uint32_t>(command_->pid());
  if (!command_->output().empty()) note_once("what " + plan_.command[0] + " says is in " + command_->output());
}

void Session::resolve_events() {
  const Host& host = Host::get(false);
  std::vector<std::unique_ptr<EventFormat>> formats;  // by slot
  std::vector<int> slot_of;
  for (const EventSpec& event : plan_.events) {
    slot_of.push_back(-1);
    if (host.tracefs.empty()) {
      if (!event.is_optional) throw Failure(Failure::kHost, no_tracefs(host));
      if (!event.optional.empty()) {
        note_once(no_tracefs(host));
        note_once(event.optional);
      }
      continue;
    }
    if (!event.texts.empty()) {
      try {
        spec_.texts = std::make_shared<CallTexts>(host.tracefs, event.texts);
        slot_of.back() = static_cast<int>(formats.size());
        formats.push_back(std::make_unique<EventFormat>(parse_format("ktop", CallTexts::format())));
        spec_.events.push_back({"ktop", event.id, CallTexts::kType, "", false});
      } catch (const Failure& failure) {
        if (!event.is_optional) throw;
        if (!event.optional.empty()) note_once(std::string(failure.what()) + ": " + event.optional);
      }
      continue;
    }
    std::string name;
    if (!event.probe.kind.empty()) {
      try {
        probes_.push_back(std::make_shared<DynamicEvent>(host.tracefs, event.probe));
        name = probes_.back()->system() + ":" + probes_.back()->name();
      } catch (const Failure& failure) {
        if (!event.is_optional) throw;
        if (!event.optional.empty()) note_once(std::string(failure.what()) + ": " + event.optional);
        continue;
      }
    }
    for (const std::string& each : event.names) {
      auto [system, event_name] = split(each);
      if (name.empty() && has_event(host.tracefs, system, event_name)) name = each;
    }
    if (name.empty() && event.is_optional) {
      // Without a note its absence takes nothing away.
      if (!event.optional.empty()) note_once(event.names.at(0) + " is not in this kernel: " + event.optional);
      continue;
    }
    auto [system, event_name] = split(name.empty() ? event.names.at(0) : name);
    // For a missing event this throws the sentence with the nearest name.
    auto format = std::make_unique<EventFormat>(load_format(host.tracefs, system, event_name));
    if (!event.probe.kind.empty()) format->system = "probe";  // a group of our own tells nobody anything
    int slot = -1;
    for (size_t i = 0; i < formats.size(); i++)
      if (formats[i]->type == format->type) slot = static_cast<int>(i);
    uses_.resize(formats.size());
    if (slot < 0)
      uses_.push_back({event.is_secondary, event.secondary, event.sample, event.probe.kind});
    else if (!event.is_secondary)
      uses_[static_cast<size_t>(slot)].is_secondary = false;
    if (slot >= 0 && (spec_.events[static_cast<size_t>(slot)].filter != event.filter))
      throw Failure(Failure::kUsage, name + " is asked for twice with different filters; join them with || into one");
    if (slot < 0) {
      slot = static_cast<int>(formats.size());
      spec_.events.push_back({system, event_name, format->type, event.filter, event.stack, event.user_stack});
      spec_.events.back().apart = event.is_secondary;
      formats.push_back(std::move(format));
    }
    slot_of.back() = slot;
  }
  bool symbols = plan_.sampler.stack || plan_.graph.on;
  for (const EventRequest& event : spec_.events) symbols |= event.stack;
  for (const OperatorSpec& op : plan_.operators) symbols |= op.op == "outstanding";
  if (symbols) Kallsyms::prefetch();
  for (OperatorSpec& op : plan_.operators) op.idle_blind = host.loses_idle;
  pipeline_ = std::make_unique<Pipeline>(plan_, std::move(formats), slot_of);
  spec_.graph = plan_.graph;
  if (!plan_.all_cpus) spec_.cpus = plan_.cpus;
  spec_.pages = plan_.mmap_pages;
  spec_.steady = plan_.steady;
  if (host.clock) spec_.sampler = plan_.sampler;
  if (spec_.sampler.on() && plan_.sampler_counter == "split-lock") {
    spec_.sampler.source = SamplerSpec::kRaw;
    spec_.sampler.raw_config = split_lock_config(read_file("/proc/cpuinfo"));
    const std::string why =
        spec_.sampler.raw_config ? why_not_sampler(spec_.sampler) : "none is known for this processor";
    if (!why.empty()) {
      standing_notes_.push_back("no samples of split locks (-T): the counter does not open: " + why);
      spec_.sampler = {};
    }
  }
  if (spec_.sampler.on() && plan_.sample_hardware) {
    std::string note;
    spec_.sampler = choose_sampler(spec_.sampler, &note);
    if (!note.empty()) standing_notes_.push_back(note);
  }
  if (plan_.sampler.on() && !host.clock) {
    if (needs_samples(plan_)) throw Failure(Failure::kHost, no_samples(host));
    standing_notes_.push_back(no_samples(host));
  }
}

bool Session::only_by_tracefs() const {
  const std::string& tracefs = Host::get(false).tracefs;
  return std::any_of(spec_.events.begin(), spec_.events.end(),
                     [&](const EventRequest& event) { return is_event_probe(tracefs, event.system, event.name); });
}

void Session::open_transport(bool tracefs) {
  const Host& host = Host::get(false);
  if (only_by_tracefs()) {
    if (plan_.backend == "perf")
      throw Failure(Failure::kUsage, "perf delivers no records of event probes; leave --backend perf out");
    transport_ = open_trace_transport(spec_, host.tracefs);
    return;
  }
  if (tracefs) {
    try {
      transport_ = open_trace_transport(spec_, host.tracefs);
      return;
    } catch (const Failure& failure) {
      if (failure.kind != Failure::kHost || !plan_.backend.empty()) throw;
      standing_notes_.push_back(std::string("no private tracefs instance: ") + failure.what() +
                                (host.loses_idle ? "; perf here loses samples of idle CPUs" : ""));
    }
  }
  if (!tracefs && plan_.backend.empty() && plan_.complete && host.loses_idle && !may_make_instances(host))
    note_once("perf here loses samples of idle CPUs, and no trace instance may be made; run as root for all of them");
  transport_ = open_perf_transport(spec_, host.tracefs);
}

// Of a new transport.
void Session::start_flow() {
  transport_->start();
  if (!shedder_) shedder_ = std::make_unique<Shedder>(plan_, spec_, uses_);
  const Nanos now = now_ns();
  shedder_->begin(now, *transport_);
  shedder_->set_watching(now, shedder_->rung().kind != Rung::kOff);
}

void Session::start_reader() {
  stopping_ = false;
  reader_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "ktop/reader");
    // On a saturated host an ordinary thread is kept waiting for hundreds of ms and loses most events.
    Priority priority;
    while (!stopping_) {
      transport_->wait(shedder_->wait_ms(now_ns(), 100));
      priority.turn();
      std::lock_guard<std::mutex> hold(mutex_);
      transport_->drain(*pipeline_, false);
      take_turn(priority);
    }
  });
}

void Session::stop_reader() {
  if (!reader_.joinable()) return;
  stopping_ = true;
  {
    std::lock_guard<std::mutex> hold(mutex_);  // the reader may be changing to another
    transport_->wake();
  }
  reader_.join();
}

// What the reader does beside reading: windows, and once per tick the ladder and its own priority.
void Session::take_turn(Priority& priority) {
  if (shedder_->window_due(now_ns())) turn_windows();
  const Nanos now = now_ns();
  if (!shedder_->tick_due(now)) return;
  const Rung before = shedder_->rung();
  const bool moved = shedder_->tick(now, thread_cpu_ns(), *transport_);
  priority.tick(shedder_->reader_cpu());
  ordinary_ = priority.lowered();
  if (moved) change_rung(before);
}

// The end of a window, or the begin of one: what was open over the time between is not known to be.
void Session::turn_windows() {
  if (shedder_->watching()) {
    transport_->pause();
    unwatched_from_ = now_ns();
    shedder_->set_watching(unwatched_from_, false);
    return;
  }
  transport_->drain(*pipeline_, true);
  const Nanos now = now_ns();
  pipeline_->on_lost({LostWindow::kEveryCpu, unwatched_from_, now, 0, true});
  transport_->resume();
  shedder_->set_watching(now, true);
}

void Session::change_rung(const Rung& before) {
  const Rung::Kind kind = shedder_->rung().kind;
  if (shedder_->needs_other(before)) {
    if (!reopen()) return;
  } else {
    for (uint16_t slot : shedder_->secondary()) transport_->set_on(slot, shedder_->wants_secondary());
    if (kind != Rung::kDuty && !shedder_->watching()) turn_windows();
  }
  if (kind == Rung::kDuty && shedder_->watching()) turn_windows();  // it begins with a pause
  back_ |= kind != Rung::kDuty && kind != Rung::kOff && (before.kind == Rung::kDuty || before.kind == Rung::kOff);
}

// Goes over to a transport of what is to be watched now. False: it could not be opened, and what was open goes on.
bool Session::reopen() {
  const std::string& tracefs = Host::get(false).tracefs;
  std::unique_ptr<Transport> next;
  try {
    const TransportSpec spec = shedder_->apply(spec_);
    const bool perf = std::string(transport_->name()) == "perf";
    next = perf ? open_perf_transport(spec, tracefs) : open_trace_transport(spec, tracefs);
  } catch (const Failure& failure) {
    note_once(std::string("too much is watched, and less cannot be: ") + failure.what());
    return false;
  }
  if (shedder_->watching()) unwatched_from_ = now_ns();
  shedder_->set_watching(now_ns(), false);
  transport_->stop();
  base_ = settle(true);
  late_base_ += transport_->late();
  transport_ = std::move(next);
  start_flow();
  // Nothing older is known to have gone on.
  pipeline_->on_lost({LostWindow::kEveryCpu, unwatched_from_, now_ns(), 0, true});
  unwatched_from_ = now_ns();
  return true;
}

SnapshotData Session::snapshot() {
  follow_cpus();
  if (!transport_) return build(false);
  SnapshotData out;
  uint64_t unseen = 0;
  {
    std::lock_guard<std::mutex> hold(mutex_);
    out = build(false);
    // A pause may come between the counting of an event and its record: that is no fault of perf's.
    if (shedder_->rung().kind != Rung::kDuty) unseen = before_.unseen - std::min(before_.unseen, base_.unseen);
  }
  // perf on this host does not deliver everything and does not say so: read the same events elsewhere from now on.
  if (unseen > 0 && plan_.backend.empty() && std::string(transport_->name()) == "perf") leave_perf(unseen);
  return out;
}

SnapshotData Session::close() {
  stop_reader();
  if (transport_) transport_->stop();
  std::lock_guard<std::mutex> hold(mutex_);
  return build(true);
}

void Session::note_once(const std::string& note) {
  if (std::find(standing_notes_.begin(), standing_notes_.end(), note) == standing_notes_.end())
    standing_notes_.push_back(note);
}

void Session::leave_perf(uint64_t unseen) {
  std::unique_ptr<Transport> next;
  Rung::Kind kind;
  const TransportSpec spec = wanted(&kind);
  try {
    next = open_trace_transport(spec, Host::get(false).tracefs);
    next->start();
  } catch (const Failure& failure) {
    const std::string note =
        "perf drops samples here unseen, and tracefs cannot replace it: " + std::string(failure.what());
    note_once(note);
    return;
  }
  if (!replace_transport(std::move(next), unseen, kind)) return;  // the next snapshot tries again
  standing_notes_.push_back("perf dropped " + std::to_string(unseen) +
                            " samples unseen on this host; the events come from a private tracefs instance now");
}

// The kernel takes the events of a CPU away when it goes, and does not bring them back with it; one that was not there
// at the start has none.
void Session::follow_cpus() {
  const std::vector<int> online = online_cpus();
  if (online == online_) return;
  std::vector<int> gone, come, chosen;
  const auto is_wanted = [&](int cpu) {
    return plan_.cpus.empty() || std::find(plan_.cpus.begin(), plan_.cpus.end(), cpu) != plan_.cpus.end();
  };
  for (int cpu : online_)
    if (is_wanted(cpu) && !std::binary_search(online.begin(), online.end(), cpu)) gone.push_back(cpu);
  for (int cpu : online) {
    if (!is_wanted(cpu)) continue;
    if (!plan_.cpus.empty()) chosen.push_back(cpu);
    if (!std::binary_search(online_.begin(), online_.end(), cpu)) come.push_back(cpu);
  }
  online_ = online;
  if (gone.empty() && come.empty()) return;
  cpu_note_ =
      gone.empty() ? "" : "CPU " + format_cpu_list(gone) + " went offline: nothing is seen of it until it is back";
  if (!gone.empty() && pipeline_) {
    // Whoever ran there does so no more, and nothing has told so.
    std::lock_guard<std::mutex> hold(mutex_);
    for (int cpu : gone) pipeline_->on_cpu_gone(static_cast<uint32_t>(cpu));
  }
  if (come.empty()) return;
  cpu_note_ += (cpu_note_.empty() ? "CPU " : "; CPU ") + format_cpu_list(come) + " came online: ";
  if (!transport_) {
    cpu_note_ += "seen from then on";
    return;
  }
  try {
    // A tracer is the only one of its kind: two cannot be open at once.
    if (plan_.graph.on) throw Failure(Failure::kHost, "it belongs to a tracer that is running; open this tab again");
    {
      std::lock_guard<std::mutex> hold(mutex_);
      spec_.cpus = chosen;
    }
    const std::string& tracefs = Host::get(false).tracefs;
    bool done = false;
    while (!done) {  // again only where another rung was taken meanwhile
      Rung::Kind kind;
      const TransportSpec spec = wanted(&kind);
      const bool is_perf = std::string(transport_->name()) == "perf";
      std::unique_ptr<Transport> next =
          is_perf ? open_perf_transport(spec, tracefs) : open_trace_transport(spec, tracefs);
      next->start();
      done = replace_transport(std::move(next), 0, kind);
    }
    cpu_note_ += "events of all CPUs were opened anew, what lasted over that moment is not told";
  } catch (const Failure& failure) {
    cpu_note_ += std::string("its events cannot be opened: ") + failure.what();
  }
}

// What is to be open now, by what is shed on this rung.
TransportSpec Session::wanted(Rung::Kind* kind) {
  std::lock_guard<std::mutex> hold(mutex_);
  *kind = shedder_->rung().kind;
  return shedder_->apply(spec_);
}

// What both saw is counted once: the old one ends with what has been taken from it. `next` has been started. False: it
// is of another rung than holds by now.
bool Session::replace_transport(std::unique_ptr<Transport> next, uint64_t lost, Rung::Kind kind) {
  stop_reader();
  std::lock_guard<std::mutex> hold(mutex_);
  if (shedder_->rung().kind != kind) {
    start_reader();
    return false;
  }
  const Nanos now = now_ns();
  transport_->stop();
  base_ = before_;
  late_base_ = late_before_;
  transport_ = std::move(next);
  shedder_->begin(now, *transport_);
  if (!shedder_->watching()) transport_->pause();
  pipeline_->on_lost({0, last_, now, lost});
  start_reader();
  return true;
}

SnapshotData Session::build(bool last) {
  SnapshotData out;
  const Nanos now = now_ns();
  out.mono_ms = static_cast<double>(now) / 1e6;
  out.interval_ms = static_cast<double>(now - last_) / 1e6;
  if (command_ && command_->ended()) {  // asked before the buffers are emptied: all it did is in them
    if (!command_told_) note_once(command_->end());
    out.ended = true;
    command_told_ = true;
  }
  out.notes = standing_notes_;
  if (!cpu_note_.empty()) out.notes.push_back(cpu_note_);
  if (ordinary_) out.notes.push_back("the reader takes too much of a CPU to go before others: events may be lost");
  add_counts(out, last);
  if (shedder_) shedder_->snapshot(now, out);
  for (auto& poll : polls_) {
    const std::string& name = plan_.polls[static_cast<size_t>(&poll - polls_.data())].name;
    poll->read(name, out, pipeline_->tasks());
  }
  // What was open is forgotten over a loss: /proc knows what still is.
  if (pipeline_->take_lost() && !last) pipeline_->seed_open_calls(now);
  if (std::exchange(back_, false) && !last) pipeline_->seed_states(now);
  pipeline_->snapshot(out, now);
  last_ = now;
  return out;
}

void Session::add_counts(SnapshotData& out, bool last) {
  if (!transport_) {
    out.backend = "/proc";
    return;
  }
  out.backend = transport_->name();
  if (!polls_.empty()) out.backend += " + /proc";
  const Nanos begun = thread_cpu_ns();
  const EventCounts total = settle(last);
  shedder_->add_cpu(thread_cpu_ns() - begun);
  out.events = static_cast<double>(total.received - before_.received);
  out.lost = static_cast<double>(total.lost - std::min(total.lost, before_.lost));
  out.unseen = static_cast<double>(total.unseen - before_.unseen);
  const uint64_t late = late_base_ + transport_->late();
  out.late = static_cast<double>(late - late_before_);
  late_before_ = late;
  before_ = total;
  for (const std::string& note : transport_->notes()) out.notes.push_back(note);
}

// Empties the buffers; all that has been counted since the monitor was opened.
EventCounts Session::settle(bool last) {
  // The counters are read before the rings are emptied: what they count has been written, so it will be found.
  const std::vector<EventCounts> counted = transport_->counts();
  transport_->drain(*pipeline_, true);
  std::vector<EventCounts> counts = transport_->counts();
  const auto missing = [&] {
    uint64_t sum = 0;
    for (size_t i = 0; i < counts.size(); i++) {
      const uint64_t known = counts[i].received + counts[i].lost;
      sum += counted[i].counted > known ? counted[i].counted - known : 0;
    }
    return sum;
  };
  // A CPU may be between counting an event and finishing its record: look again before calling it unseen.
  if (missing() > before_.unseen - std::min(before_.unseen, base_.unseen) && !last) {
    usleep(200);
    transport_->drain(*pipeline_, true);
    counts = transport_->counts();
  }
  EventCounts total = base_;
  for (size_t i = 0; i < counts.size(); i++) {
    total.received += counts[i].received;
    total.lost += counts[i].lost;
  }
  total.unseen += missing();
  total.unseen = std::max(total.unseen, before_.unseen);
  return total;
}

PlanCheck check_plan(const Plan& plan) {
  PlanCheck check;
  const Host& host = Host::get(false);
  if (plan.graph.on && plan.otherwise) {
    const std::string why = why_no_graph(host.tracefs);
    if (!why.empty()) {
      check = check_plan(*plan.otherwise);
      check.missing.emplace_back("function_graph", "no function calls, but system calls and events: " + why);
      return check;
    }
  }
  check.backend = plan.events.empty() && !plan.sampler.on() ? "/proc" : "perf";
  const bool instances = may_make_instances(host);
  if (check.backend == "perf" && prefers_tracefs(plan, host)) check.backend = "tracefs";
  const auto no = [&check](const std::string& why) {
    if (check.ok) check.why = why;
    check.ok = false;
  };
  if (plan.backend == "tracefs" && !instances) no(host.tracefs.empty() ? no_tracefs(host) : no_instances(host));
  if (plan.backend.empty() && plan.complete && host.loses_idle && !instances && !host.tracefs.empty())
    check.missing.emplace_back("trace instance", "perf here loses samples of idle CPUs");
  bool required = false;
  for (const EventSpec& event : plan.events) {
    required |= !event.is_optional;
    if (host.tracefs.empty()) {
      // A probe is none of the kernel's own: what it would tell is said of the events beside it.
      if (!event.is_optional)
        no(no_tracefs(host));
      else if (!event.names.empty())
        check.missing.emplace_back(event.names[0], event.optional);
      continue;
    }
    if (!event.probe.kind.empty() || !event.texts.empty() || is_group(event)) continue;
    bool found = false;
    for (const std::string& name : event.names) found |= has_event(host.tracefs, split(name).first, split(name).second);
    if (found) continue;
    if (!event.is_optional || !event.optional.empty()) check.missing.emplace_back(event.names.at(0), event.optional);
    if (!event.is_optional) no("this kernel has no event " + event.names.at(0));
  }
  // All of its events are optional, as they come with a module, but there is nothing else.
  if (host.tracefs.empty() && !plan.events.empty() && !plan.sampler.on() && plan.polls.empty()) no(no_tracefs(host));
  if (check.ok && required && !host.tracepoints)
    no("perf refuses system-wide tracepoints (" + host.why +
       "); run as root, or with CAP_PERFMON and the right to read tracefs (docs/privileges.md)");
  if (plan.sampler.on() && !host.clock) {
    if (needs_samples(plan))
      no(no_samples(host));
    else
      check.missing.emplace_back("cpu-clock", no_samples(host));
  } else if (plan.sample_hardware && !host.hardware) {
    check.missing.emplace_back("cycle counter",
                               "the CPU clock samples instead; code that runs with interrupts off is seen where it "
                               "turns them on again, guests and host are not told apart");
  }
  for (const PollSpec& poll : plan.polls)
    for (auto& [column, name] : poll.events) {
      if (poll.filters.empty()) continue;
      check.backend = "perf counters";
      if (host.tracefs.empty())
        no(no_tracefs(host));
      else if (!has_event(host.tracefs, split(name).first, split(name).second))
        no("this kernel has no event " + name);
    }
  // Root may open them all; closing them again takes long.
  for (const PollSpec& poll : plan.polls) {
    if (host.root || !check.ok) break;
    try {
      make_poll(poll, plan.cpus, host.tracefs);
    } catch (const Failure& failure) {
      no(failure.what());
    }
  }
  for (const PollSpec& poll : plan.polls) {
    if (!check.ok) break;
    const std::string why = why_no_hardware_count(poll, host.tracefs);
    if (!why.empty()) check.missing.emplace_back("hardware count", why);
  }
  return check;
}

}  // namespace ktop
