// The only file that knows N-API: plans in, snapshots out. One Addon per environment, so workers may come and go.
#include <malloc.h>
#include <napi.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>

#include "engine/file_session.h"
#include "engine/pacer.h"
#include "engine/session.h"
#include "proc/host_facts.h"
#include "symbols/pointer_text.h"

namespace {

using namespace ktop;

std::string text(const Napi::Object& object, const char* name, const std::string& missing = "") {
  const Napi::Value value = object.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : missing;
}

double number(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  return value.IsNumber() ? std::max(0.0, value.As<Napi::Number>().DoubleValue()) : 0;
}

bool flag(const Napi::Object& object, const char* name) { return object.Get(name).ToBoolean(); }

template <typename F>
void each(const Napi::Object& object, const char* name, F visit) {
  const Napi::Value value = object.Get(name);
  if (!value.IsArray()) return;
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) visit(array.Get(i));
}

// Members in their order; those that are no text are "".
Named named(const Napi::Object& entries) {
  Named result;
  const Napi::Array names = entries.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); i++) {
    const std::string key = names.Get(i).As<Napi::String>().Utf8Value();
    result.emplace_back(key, text(entries, key.c_str()));
  }
  return result;
}

Named named(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  return value.IsObject() ? named(value.As<Napi::Object>()) : Named();
}

ClauseSpec clause_of(const Napi::Object& object) {
  return {text(object, "event"), text(object, "unless"), text(object, "as"),    text(object, "where"),
          named(object, "key"),  named(object, "add"),   named(object, "group")};
}

OperatorSpec operator_of(const Napi::Object& object) {
  OperatorSpec op;
  op.op = text(object, "op");
  op.name = text(object, "name");
  each(object, "on", [&](Napi::Value v) { op.on.push_back(clause_of(v.As<Napi::Object>())); });
  op.keep = flag(object, "keep");
  op.group = named(object, "group");
  op.than_ns = static_cast<uint64_t>(number(object, "than_ns"));
  op.alarm = text(object, "alarm");
  op.sums = named(object, "sums");
  each(object, "timed", [&](Napi::Value v) { op.timed.push_back(v.ToString().Utf8Value()); });
  op.percpu = flag(object, "percpu");
  op.histogram_per_group = flag(object, "histogram_per_group");
  each(object, "tables", [&](Napi::Value v) {
    const Napi::Object from = v.As<Napi::Object>();
    RollupSpec table{text(from, "name"), {}, text(from, "only")};
    each(from, "by", [&](Napi::Value column) { table.by.push_back(column.ToString().Utf8Value()); });
    op.tables.push_back(std::move(table));
  });
  if (object.Get("open").IsObject()) {
    const Napi::Object open = object.Get("open").As<Napi::Object>();
    op.open = {text(open, "name"), named(open, "columns"), static_cast<uint64_t>(number(open, "age_ns")),
               flag(open, "task"), flag(open, "stack")};
  }
  op.early = flag(object, "early");
  op.others = flag(object, "others");
  op.measure = text(object, "measure");
  each(object, "cpus", [&](Napi::Value v) { op.cpus.push_back(v.ToNumber().Int64Value()); });
  op.busy_pct = static_cast<uint32_t>(number(object, "busy_pct"));
  op.busy_frequency = static_cast<uint32_t>(number(object, "busy_frequency"));
  op.states = text(object, "states");
  op.quiet_states = text(object, "quiet_states");
  op.comm = text(object, "comm");
  each(object, "pids", [&](Napi::Value v) { op.pids.push_back(v.ToNumber().Int64Value()); });
  op.age_ns = static_cast<uint64_t>(number(object, "age_ns"));
  op.period_ns = static_cast<uint64_t>(number(object, "period_ns"));
  op.ttl_ns = static_cast<uint64_t>(number(object, "ttl_ns"));
  op.cap = static_cast<uint32_t>(number(object, "cap"));
  op.process = text(object, "process");
  op.lines = text(object, "lines");
  op.files = text(object, "files");
  op.slow = text(object, "slow");
  op.leaves = flag(object, "leaves");
  op.only = flag(object, "only");
  return op;
}

GraphSpec graph_of(const Napi::Object& object) {
  GraphSpec graph;
  graph.on = true;
  each(object, "functions", [&](Napi::Value v) { graph.functions.push_back(v.ToString().Utf8Value()); });
  each(object, "subtrees", [&](Napi::Value v) { graph.subtrees.push_back(v.ToString().Utf8Value()); });
  graph.depth = static_cast<uint32_t>(number(object, "depth"));
  graph.than_us = static_cast<uint64_t>(number(object, "than_us"));
  each(object, "pids", [&](Napi::Value v) { graph.pids.push_back(v.ToNumber().Int32Value()); });
  return graph;
}

ShedSpec shed_of(const Napi::Object& object) {
  ShedSpec shed;
  shed.last = text(object, "last", "never");
  shed.lacks = text(object, "lacks");
  shed.keeps_stacks = flag(object, "keeps_stacks");
  if (object.Get("sample").IsObject()) {
    const Napi::Object sample = object.Get("sample").As<Napi::Object>();
    shed.sample_share = std::clamp(number(sample, "share"), 1e-6, 1.0);
    shed.sample_says = text(sample, "says");
  }
  return shed;
}

Plan plan_of(const Napi::Object& object) {
  Plan plan;
  each(object, "events", [&](Napi::Value v) {
    const Napi::Object from = v.As<Napi::Object>();
    EventSpec event;
    event.id = text(from, "id");
    each(from, "names", [&](Napi::Value name) { event.names.push_back(name.ToString().Utf8Value()); });
    event.filter = text(from, "filter");
    event.stack = flag(from, "stack");
    event.user_stack = static_cast<uint32_t>(number(from, "user_stack"));
    event.is_optional = from.Get("optional").IsString();
    event.optional = text(from, "optional");
    event.is_secondary = from.Get("secondary").IsString();
    event.secondary = text(from, "secondary");
    event.sample = text(from, "sample");
    if (from.Get("probe").IsObject()) {
      const Napi::Object probe = from.Get("probe").As<Napi::Object>();
      event.probe = {event.id, text(probe, "kind"), text(probe, "definition"), {}, 0};
      each(probe, "also", [&](Napi::Value also) { event.probe.also.push_back(also.ToString().Utf8Value()); });
      event.probe.slots = static_cast<long>(number(probe, "slots"));
      if (!event.names.empty()) throw Failure(Failure::kInternal, "an event is either named or probed");
    } else if (from.Get("texts").IsObject()) {
      for (auto& [call, letters] : named(from, "texts")) event.texts.emplace_back(std::stoll(call), letters);
      if (!event.names.empty()) throw Failure(Failure::kInternal, "an event is either named or made of texts");
    } else if (event.names.empty())
      throw Failure(Failure::kInternal, "an event without a name");
    plan.events.push_back(std::move(event));
  });
  each(object, "operators", [&](Napi::Value v) { plan.operators.push_back(operator_of(v.As<Napi::Object>())); });
  each(object, "polls", [&](Napi::Value v) {
    const Napi::Object poll = v.As<Napi::Object>();
    PollSpec spec{text(poll, "poll"), text(poll, "name"), named(poll, "events"), {}};
    spec.filters = named(poll, "filters");
    spec.others = flag(poll, "others");
    each(poll, "match", [&](Napi::Value match) { spec.match.push_back(match.ToString().Utf8Value()); });
    plan.polls.push_back(std::move(spec));
  });
  if (object.Get("sampler").IsObject()) {
    const Napi::Object sampler = object.Get("sampler").As<Napi::Object>();
    plan.sampler.frequency = static_cast<uint32_t>(number(sampler, "frequency"));
    plan.sampler.period = static_cast<uint64_t>(number(sampler, "period_ns"));
    plan.sampler.stack = flag(sampler, "stack");
    plan.sampler.exclude_user = flag(sampler, "exclude_user");
    plan.sampler.exclude_kernel = flag(sampler, "exclude_kernel");
    plan.sampler.exclude_guest = flag(sampler, "exclude_guest");
    plan.sampler.exclude_host = flag(sampler, "guest_only");
    plan.sampler.exclude_idle = flag(sampler, "exclude_idle");
    plan.sampler_counter = text(sampler, "counter");
    if (!plan.sampler_counter.empty()) plan.sampler.period = static_cast<uint64_t>(number(sampler, "trigger"));
    plan.sample_hardware = flag(sampler, "hardware");
  }
  if (object.Get("names").IsObject()) {
    const Napi::Object names = object.Get("names").As<Napi::Object>();
    for (auto& [name, none] : named(names)) {
      auto& texts = plan.names.emplace_back(name, decltype(plan.names)::value_type::second_type()).second;
      for (auto& [value, label] : named(names, name.c_str())) texts.emplace_back(std::stoll(value), label);
    }
  }
  each(object, "cpus", [&](Napi::Value v) { plan.cpus.push_back(v.ToNumber().Int32Value()); });
  plan.all_cpus = flag(object, "all_cpus");
  plan.mmap_pages = static_cast<uint32_t>(number(object, "mmap_pages"));
  if (object.Get("graph").IsObject()) plan.graph = graph_of(object.Get("graph").As<Napi::Object>());
  each(object, "command", [&](Napi::Value v) { plan.command.push_back(v.ToString().Utf8Value()); });
  each(object, "notes", [&](Napi::Value v) { plan.notes.push_back(v.ToString().Utf8Value()); });
  plan.command_to_file = flag(object, "command_to_file");
  if (object.Get("otherwise").IsObject())
    plan.otherwise = std::make_shared<Plan>(plan_of(object.Get("otherwise").As<Napi::Object>()));
  plan.complete = flag(object, "complete");
  plan.steady = flag(object, "steady");
  plan.backend = text(object, "backend");
  if (object.Get("shed").IsObject()) plan.shed = shed_of(object.Get("shed").As<Napi::Object>());
  plan.budget = number(object, "budget_pct") / 100;
  return plan;
}

Napi::Float64Array numbers(Napi::Env env, const std::vector<double>& from) {
  Napi::Float64Array array = Napi::Float64Array::New(env, from.size());
  std::copy(from.begin(), from.end(), array.Data());
  return array;
}

// Names come from the kernel as bytes: what is not UTF-8 must not make V8 throw, so it goes in as replacement marks.
Napi::Array strings(Napi::Env env, const std::vector<std::string>& from) {
  Napi::Array array = Napi::Array::New(env, from.size());
  for (uint32_t i = 0; i < from.size(); i++) array.Set(i, Napi::String::New(env, from[i]));
  return array;
}

Napi::Object js_table(Napi::Env env, const TableData& table) {
  Napi::Object object = Napi::Object::New(env), columns = Napi::Object::New(env);
  for (const ColumnData& column : table.columns) {
    if (!column.is_text) {
      columns.Set(column.name, numbers(env, column.numbers));
      continue;
    }
    Napi::Uint32Array ids = Napi::Uint32Array::New(env, column.ids.size());
    std::copy(column.ids.begin(), column.ids.end(), ids.Data());
    Napi::Object text_column = Napi::Object::New(env);
    text_column.Set("ids", ids);
    text_column.Set("strings", strings(env, column.strings));
    columns.Set(column.name, text_column);
  }
  object.Set("length", table.length);
  object.Set("key", strings(env, table.key));
  object.Set("columns", columns);
  return object;
}

template <typename F>
void append(Napi::Env env, Napi::Object& groups, const std::string& name, F make) {
  if (!groups.Has(name)) groups.Set(name, Napi::Array::New(env));
  Napi::Array list = groups.Get(name).As<Napi::Array>();
  list.Set(list.Length(), make());
}

Napi::Object js_log(Napi::Env env, const LogData& entry) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("at_ms", entry.at_ms);
  object.Set("cpu", entry.cpu);
  object.Set("pid", entry.pid);
  object.Set("tid", entry.tid);
  object.Set("comm", entry.comm);
  object.Set("text", entry.text);
  if (!entry.between.empty()) object.Set("between", strings(env, entry.between));
  if (!entry.stack.empty()) object.Set("stack", strings(env, entry.stack));
  return object;
}

Napi::Object js_check(Napi::Env env, const PlanCheck& check) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("ok", check.ok);
  object.Set("backend", check.backend);
  object.Set("why", check.why);
  Napi::Array missing = Napi::Array::New(env);
  for (auto& [event, note] : check.missing) {
    Napi::Object each = Napi::Object::New(env);
    each.Set("event", event);
    each.Set("optional", note);
    missing.Set(missing.Length(), each);
  }
  object.Set("missing", missing);
  return object;
}

Napi::Object js_input(Napi::Env env, const PerfDataFile& file) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("host", file.host);
  object.Set("kernel", file.release);
  object.Set("cpus", std::max(file.cpus_online, 1u));
  // About when the machine was started: its clock counts from there, unless it was told to take another.
  const bool since_boot = file.clock < 0 || file.clock == CLOCK_MONOTONIC || file.clock == CLOCK_MONOTONIC_RAW ||
                          file.clock == CLOCK_BOOTTIME;
  object.Set("since_boot", since_boot);
  object.Set("command", file.command);
  Napi::Array events = Napi::Array::New(env);
  for (const FileEvent& event : file.events)
    if (event.is_tracepoint() && !event.name.empty()) events.Set(events.Length(), event.name);
  object.Set("tracepoints", events);
  object.Set("frequency", sampling_frequency(file));
  object.Set("wall_offset_ms", static_cast<double>(file.wall_offset) / 1e6);
  object.Set("damage", strings(env, file.damage));
  return object;
}

Napi::Object js_snapshot(Napi::Env env, const SnapshotData& from) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("mono_ms", from.mono_ms);
  object.Set("interval_ms", from.interval_ms);
  object.Set("backend", from.backend);
  object.Set("events", from.events);
  if (from.ended) object.Set("ended", true);
  object.Set("lost", from.lost);
  object.Set("late", from.late);
  object.Set("unseen", from.unseen);
  object.Set("notes", strings(env, from.notes));
  if (from.shed) {
    Napi::Object shed = Napi::Object::New(env);
    shed.Set("level", from.shed->level);
    shed.Set("kind", from.shed->kind);
    shed.Set("share", from.shed->share);
    shed.Set("cost_pct", from.shed->cost_pct);
    shed.Set("text", from.shed->text);
    object.Set("shed", shed);
  }
  Napi::Object tables = Napi::Object::New(env), histograms = Napi::Object::New(env), logs = Napi::Object::New(env);
  for (const TableData& table : from.tables) tables.Set(table.name, js_table(env, table));
  for (const HistogramData& histogram : from.histograms)
    append(env, histograms, histogram.name, [&] {
      Napi::Object each = Napi::Object::New(env);
      each.Set("label", histogram.label);
      each.Set("unit", histogram.unit);
      each.Set("low", numbers(env, histogram.low));
      each.Set("high", numbers(env, histogram.high));
      each.Set("count", numbers(env, histogram.count));
      return each;
    });
  for (auto& [name, entries] : from.logs) {
    Napi::Array list = Napi::Array::New(env, entries.size());
    for (uint32_t i = 0; i < entries.size(); i++) list.Set(i, js_log(env, entries[i]));
    logs.Set(name, list);
  }
  object.Set("tables", tables);
  object.Set("histograms", histograms);
  object.Set("logs", logs);
  return object;
}

// For what runs for hours: large blocks go back to the kernel when they are freed. By itself glibc learns from the
// first large ones to keep them, in an arena for each thread.
void give_back_memory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 256 << 10);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
  mallopt(M_ARENA_MAX, 2);
#endif
}

class Addon : public Napi::Addon<Addon> {
 public:
  Addon(Napi::Env, Napi::Object exports) {
    give_back_memory();
    const char* pointers = getenv("KTOP_POINTERS");
    hide_pointers(pointers == nullptr || std::string(pointers) != "1");
    DefineAddon(exports,
                {InstanceMethod("probe", &Addon::Probe), InstanceMethod("facts", &Addon::Facts),
                 InstanceMethod("check", &Addon::Check), InstanceMethod("open", &Addon::Open),
                 InstanceMethod("snapshot", &Addon::Snapshot), InstanceMethod("close", &Addon::Close),
                 InstanceMethod("finish", &Addon::Finish), InstanceMethod("input", &Addon::Input),
                 InstanceMethod("inputCheck", &Addon::InputCheck), InstanceMethod("inputOpen", &Addon::InputOpen),
                 InstanceMethod("inputNext", &Addon::InputNext), InstanceMethod("inputClose", &Addon::InputClose),
                 InstanceMethod("allocated", &Addon::Allocated)});
  }

 private:
  // Runs `work`; a Failure becomes a JavaScript Error with its kind.
  template <typename F>
  Napi::Value guarded(Napi::Env env, F work) {
    static const char* kinds[] = {"usage", "host", "internal"};
    std::string why;
    const char* kind = "internal";
    try {
      return work();
    } catch (const Failure& failure) {
      why = failure.what();
      kind = kinds[failure.kind];
    } catch (const Napi::Error&) {
      throw;
    } catch (const std::exception& error) {
      why = std::string("internal fault: ") + error.what();
    }
    Napi::Error error = Napi::Error::New(env, why);
    error.Set("kind", Napi::String::New(env, kind));
    throw error;
  }

  Session& session(const Napi::CallbackInfo& info) {
    const auto found = sessions_.find(info[0].ToNumber().Uint32Value());
    if (found == sessions_.end()) throw Failure(Failure::kInternal, "no such handle");
    return *found->second.session;
  }

  // Turns this thread's event loop, so that it finds its timers due.
  std::unique_ptr<Pacer> pace(Napi::Env env) {
    const auto turn = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}),
                                                    "ktop pacer", 1, 1);
    turn.Unref(env);
    // Released when the last thread that may call it has ended.
    const std::shared_ptr<const Napi::ThreadSafeFunction> shared(new Napi::ThreadSafeFunction(turn),
                                                                 [](auto* function) {
                                                                   function->Release();
                                                                   delete function;
                                                                 });
    return std::make_unique<Pacer>(kPaceMs, [shared] { shared->NonBlockingCall(); });
  }

  Napi::Value Probe(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    return guarded(env, [&] {
      const Host& host = Host::get(info[0].ToBoolean());
      Napi::Object object = Napi::Object::New(env);
      object.Set("tracefs", host.tracefs);
      object.Set("mounted", host.mounted);
      object.Set("root", host.root);
      object.Set("paranoid", host.paranoid);
      object.Set("tracepoints", host.tracepoints);
      object.Set("hardware", host.hardware);
      object.Set("clock", host.clock);
      object.Set("loses_idle", host.loses_idle);
      object.Set("why", host.why);
      return object;
    });
  }

  Napi::Value Facts(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    return guarded(env, [&] {
      const HostFacts facts = host_facts();
      Napi::Object object = Napi::Object::New(env);
      object.Set("taskstats", facts.taskstats);
      object.Set("bpf", facts.bpf);
      object.Set("format_lost", facts.format_lost);
      return object;
    });
  }

  Napi::Value Check(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    return guarded(env, [&] { return js_check(env, check_plan(plan_of(info[0].As<Napi::Object>()))); });
  }

  Napi::Value Open(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const Plan plan = plan_of(info[0].As<Napi::Object>());
      Running running{std::make_unique<Session>(plan), nullptr};
      if (plan.steady) running.pacer = pace(info.Env());
      sessions_.emplace(++last_handle_, std::move(running));
      return Napi::Number::New(info.Env(), last_handle_);
    });
  }

  Napi::Value Snapshot(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return js_snapshot(info.Env(), session(info).snapshot()); });
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      const SnapshotData last = session(info).close();
      sessions_.erase(info[0].ToNumber().Uint32Value());
      return js_snapshot(info.Env(), last);
    });
  }

  Napi::Value Finish(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      sessions_.clear();
      finish_closing();
      return info.Env().Undefined();
    });
  }

  const std::shared_ptr<const PerfDataFile>& file() {
    if (!file_) throw Failure(Failure::kInternal, "no input has been opened");
    return file_;
  }

  Napi::Value Input(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      file_ = PerfDataFile::open(info[0].ToString().Utf8Value());
      return js_input(info.Env(), *file_);
    });
  }

  Napi::Value InputCheck(const Napi::CallbackInfo& info) {
    return guarded(info.Env(),
                   [&] { return js_check(info.Env(), check_plan(plan_of(info[0].As<Napi::Object>()), *file())); });
  }

  Napi::Value InputOpen(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      auto session = std::make_unique<FileSession>(plan_of(info[0].As<Napi::Object>()), file());
      inputs_.emplace(++last_handle_, std::move(session));
      return Napi::Number::New(info.Env(), last_handle_);
    });
  }

  Napi::Value InputNext(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto found = inputs_.find(info[0].ToNumber().Uint32Value());
      if (found == inputs_.end()) throw Failure(Failure::kInternal, "no such handle");
      const auto ns = [&](size_t i) {
        return static_cast<Nanos>(std::min(std::max(info[i].ToNumber().DoubleValue(), 0.001), 1e10) * 1e6);
      };
      SnapshotData out;
      if (!found->second->advance(ns(1), ns(2), &out)) return info.Env().Undefined();
      Napi::Object object = Napi::Object::New(info.Env());
      object.Set("snapshot", js_snapshot(info.Env(), out));
      object.Set("ended", found->second->ended());
      return object;
    });
  }

  Napi::Value InputClose(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      inputs_.erase(info[0].ToNumber().Uint32Value());
      return info.Env().Undefined();
    });
  }

  // Bytes that malloc has handed out: of the whole process, for the soak test.
  Napi::Value Allocated(const Napi::CallbackInfo& info) {
    double bytes = 0;
#if defined(__GLIBC__)
    const struct mallinfo2 now = mallinfo2();
    bytes = static_cast<double>(now.uordblks + now.hblkhd);
#endif
    return Napi::Number::New(info.Env(), bytes);
  }

  static constexpr int kPaceMs = 100;
  struct Running {
    std::unique_ptr<Session> session;
    std::unique_ptr<Pacer> pacer;
  };
  std::map<uint32_t, Running> sessions_;
  std::map<uint32_t, std::unique_ptr<FileSession>> inputs_;
  std::shared_ptr<const PerfDataFile> file_;
  uint32_t last_handle_ = 0;
};

}  // namespace

NODE_API_NAMED_ADDON(ktop, Addon)
