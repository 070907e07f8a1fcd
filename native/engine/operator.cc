#include "operator.h"

#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "perf/transport.h"
#include "symbols/pointer_text.h"
#include "trace/print_format.h"

namespace ktop {

KeyColumn::KeyColumn(const std::string& column, const std::string& text, const EventFormat* format, Engine& engine)
    : name(column) {
  if (text == "$stack") {
    show = kStack;
    return;
  }
  if (text == "$argv") {
    show = kArgv;
    return;
  }
  static const std::pair<const char*, Show> suffixes[] = {{"device", kDevice}, {"ksym", kKsym}, {"symbol", kSymbol},
                                                          {"text", kText},     {"hex", kHex},   {"fd", kFile},
                                                          {"path", kPath},     {"task", kTask}};
  std::string body = text;
  // A ?: also has a colon; a suffix has no space before it and is one of the known words.
  for (auto& [suffix, how] : suffixes) {
    const std::string ending = std::string(":") + suffix;
    if (body.size() <= ending.size() || body.compare(body.size() - ending.size(), ending.size(), ending) != 0) continue;
    body.resize(body.size() - ending.size());
    show = how;
    break;
  }
  for (auto& [known, texts] : engine.names) {
    if (show != kNumber) break;
    const std::string ending = ":" + known;
    if (body.size() <= ending.size() || body.compare(body.size() - ending.size(), ending.size(), ending) != 0) continue;
    body.resize(body.size() - ending.size());
    show = kName;
    names = &texts;
    break;
  }
  expr = Expr::compile(body, format, engine);
  if (show == kNumber && expr.is_text()) show = kText;
  if (show == kSymbol) {
    symbol_field = expr.field_name();
    // Of a field that this kernel does not have there is no text.
    if (symbol_field.empty() && body.compare(0, 6, "maybe(") == 0)
      show = kText;
    else if (symbol_field.empty())
      throw Failure(Failure::kInternal, "\"" + text + "\": :symbol wants a plain field");
  }
}

void SymbolTexts::learn(const KeyColumn& column, int64_t value, const Record& record, Engine& engine) {
  constexpr size_t kMostTexts = 65536;
  if (texts_.size() >= kMostTexts && texts_.find(value) == texts_.end()) return;
  std::string& text = texts_[value];
  if (!text.empty()) return;
  const EventFormat* format = engine.formats[record.slot];
  if (format && format->print) text = format->print->symbol(*format, column.symbol_field, record.raw, record.size);
  if (text.empty()) text = std::to_string(value);
}

std::string SymbolTexts::text(int64_t value) const {
  const auto found = texts_.find(value);
  return found == texts_.end() ? std::to_string(value) : found->second;
}

std::string text_of(const KeyColumn& column, int64_t value, const SymbolTexts* symbols, const Engine& engine) {
  switch (column.show) {
    case KeyColumn::kNumber:
      break;
    case KeyColumn::kText:
      return engine.strings.text(static_cast<uint32_t>(value));
    case KeyColumn::kDevice:
      return value == 0 ? "-" : engine.world.device(static_cast<uint32_t>(value));
    case KeyColumn::kKsym:
      return engine.world.symbols().name(static_cast<uint64_t>(value), false);
    case KeyColumn::kSymbol:
      if (symbols) return symbols->text(value);
      break;
    case KeyColumn::kStack:
      return stack_text(static_cast<uint32_t>(value), engine);
    case KeyColumn::kHex:
      return pointer_text(static_cast<uint64_t>(value));
    case KeyColumn::kTask:
      return task_text(value, engine);
    case KeyColumn::kFile:  // of whom? where that is known it is looked up
    case KeyColumn::kPath:
    case KeyColumn::kArgv:  // `track` keeps it
      return "";
    case KeyColumn::kName: {
      const auto found = column.names->find(value);
      if (found != column.names->end()) return found->second;
      break;
    }
  }
  return std::to_string(value);
}

KeyWriter::KeyWriter(TableData& table, const KeyColumn& column, const SymbolTexts* symbols)
    : out_(column.show == KeyColumn::kNumber ? table.number(column.name) : table.text(column.name)),
      column_(column),
      symbols_(symbols) {
  table.key.push_back(column.name);
}

void KeyWriter::add(int64_t value, Engine& engine) {
  if (column_.show == KeyColumn::kNumber)
    out_.add(static_cast<double>(value));
  else
    out_.add_text(text_of(column_, value, symbols_, engine));
}

std::string task_text(int64_t tid, const Engine& engine) {
  if (tid == 0) return "-";
  if (tid < 0) return tid == -2 ? "[softirq]" : tid == -3 ? "[nmi]" : "[irq]";
  return engine.strings.text(engine.tasks.get(static_cast<uint32_t>(tid)).comm) + "/" + std::to_string(tid);
}

std::vector<std::string> stack_lines(uint32_t id, const Engine& engine) {
  std::vector<std::string> lines;
  uint32_t count;
  const uint64_t* frames = engine.stacks.frames(id, &count);
  for (uint32_t i = 0; i < count; i++) lines.push_back(engine.world.symbols().name(frames[i], true));
  return lines;
}

std::string stack_text(uint32_t id, const Engine& engine) {
  std::string text;
  for (const std::string& line : stack_lines(id, engine)) text += (text.empty() ? "" : ";") + line;
  return text;
}

const Expr* Clause::find_input(const std::string& name) const {
  for (auto& [column, expr] : add)
    if (column == name) return &expr;
  return nullptr;
}

const Expr& Clause::input(const std::string& name) const {
  const Expr* expr = find_input(name);
  if (!expr) throw Failure(Failure::kInternal, "declaration lacks the input \"" + name + "\"");
  return *expr;
}

TaskFilter::TaskFilter(const OperatorSpec& spec, const Engine& engine)
    : pids_(spec.pids),
      comm_(spec.comm),
      self_(spec.others && engine.world.here() ? static_cast<uint32_t>(getpid()) : 0) {}

bool TaskFilter::matches(uint32_t tid, Engine& engine) {
  const Task& task = engine.tasks.get(tid);
  const auto is_task = [&](int64_t pid) { return pid == task.pid || pid == tid; };
  if (!pids_.empty() && std::none_of(pids_.begin(), pids_.end(), is_task)) return false;
  if (comm_.empty()) return true;
  const auto found = known_.find(task.comm);
  if (found != known_.end()) return found->second;
  const bool match = fnmatch(comm_.c_str(), engine.strings.text(task.comm).c_str(), 0) == 0;
  if (known_.size() < 4096) known_.emplace(task.comm, match);
  return match;
}

std::string event_line(const Record& record, const std::string& comm, Nanos zero, const Engine& engine) {
  char head[96];
  std::snprintf(head, sizeof head, "+%.3f us cpu%u ", static_cast<double>(record.time - zero) / 1e3, record.cpu);
  std::string line = head + comm + "/" + std::to_string(record.tid) + " ";
  const EventFormat* format = engine.formats[record.slot];
  if (format) line += format->name + ": ";
  if (format && format->print) line += format->print->render(*format, record.raw, record.size);
  if (!format) line += record.user ? "sample in user code" : "sample in the kernel";
  return line;
}

std::unique_ptr<Operator> make_operator(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine) {
  // Folded stacks are a key like any other, so `sample` is `count` on the clock.
  if (spec.op == "count" || spec.op == "sample") return make_count(spec, std::move(clauses));
  if (spec.op == "pair") return make_pair(spec, std::move(clauses), engine);
  if (spec.op == "state") return make_state(spec, std::move(clauses), engine);
  if (spec.op == "off") return make_off(spec, std::move(clauses), engine);
  if (spec.op == "track") return make_track(spec, std::move(clauses), engine);
  if (spec.op == "outstanding") return make_outstanding(spec, std::move(clauses), engine);
  if (spec.op == "gap") return make_gap(spec, std::move(clauses), engine);
  if (spec.op == "histogram") return make_histogram(spec, std::move(clauses));
  if (spec.op == "log") return make_log(spec, std::move(clauses));
  if (spec.op == "calls") return make_calls(spec, std::move(clauses), engine);
  if (spec.op == "abi") return make_abi(std::move(clauses));
  if (spec.op == "follow") return make_follow(spec, std::move(clauses), engine);
  if (spec.op == "descriptors") return make_descriptors(spec, std::move(clauses), engine);
  if (spec.op == "remember") return make_remember(spec, std::move(clauses), engine);
  throw Failure(Failure::kInternal, "unknown operator \"" + spec.op + "\"");
}

void add_histogram(SnapshotData& out, const std::string& name, const std::string& label, const std::string& unit,
                   const std::array<uint64_t, 64>& count) {
  std::array<double, 64> scaled;
  for (size_t i = 0; i < scaled.size(); i++) scaled[i] = out.scaled(static_cast<double>(count[i]));
  add_buckets(out, name, label, unit, scaled);
}

void add_buckets(SnapshotData& out, const std::string& name, const std::string& label, const std::string& unit,
                 const std::array<double, 64>& count) {
  int first = -1, last = -1;
  for (int i = 0; i < 64; i++) {
    if (count[static_cast<size_t>(i)] == 0) continue;
    if (first < 0) first = i;
    last = i;
  }
  HistogramData histogram{name, label, unit, {}, {}, {}};
  for (int i = first; first >= 0 && i <= last; i++) {
    histogram.low.push_back(i == 0 ? 0 : std::ldexp(1, i));
    histogram.high.push_back(std::ldexp(1, i + 1) - 1);
    histogram.count.push_back(count[static_cast<size_t>(i)]);
  }
  out.histograms.push_back(std::move(histogram));
}

}  // namespace ktop
