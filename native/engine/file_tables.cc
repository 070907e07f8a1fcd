#include "file_tables.h"

#include <cstdio>

namespace ktop {
namespace {

// How far a name can be trusted is told in front, as with the text of a call; "" = none.
std::string marked(const OpenFileRef& file) {
  if (!file || file->name().empty()) return "";
  return (file->unsure() ? "?" : "=") + file->name();
}

}  // namespace

std::string shown_name(const OpenFile& file) { return file.name() + (file.unsure() ? "?" : ""); }

CallRows::CallRows(TableData& table, const CallKinds& kinds, Nanos zero)
    : table_(table),
      kinds_(kinds),
      zero_(zero),
      at_(table.number("at_ms")),
      since_(table.number("since_ms")),
      took_(table.number("took_ns")),
      cpu_(table.number("cpu")),
      pid_(table.number("pid")),
      tid_(table.number("tid")),
      comm_(table.text("comm")),
      call_(table.text("call")),
      result_(table.number("result")),
      end_(table.number("end")),
      told_(table.number("told")),
      exact_(table.number("exact")),
      file_(table.text("file")) {
  for (size_t i = 0; i < kArguments; i++) {
    arguments_[i] = &table.text("arg" + std::to_string(i));
    texts_[i] = &table.text("text" + std::to_string(i));
  }
}

void CallRows::add(const FileCall& call, Engine& engine, Nanos now) {
  table_.length++;
  at_.add(static_cast<double>(call.start) / 1e6);
  since_.add((static_cast<double>(call.start) - static_cast<double>(zero_)) / 1e6);
  took_.add(static_cast<double>(call.end == FileCall::kOpen ? now - call.start : call.took));
  cpu_.add(call.cpu);
  pid_.add(call.pid);
  tid_.add(call.tid);
  comm_.add_text(engine.strings.text(call.comm));
  call_.add_text(kinds_.name(call.number));
  result_.add(static_cast<double>(call.result));
  end_.add(call.end);
  told_.add(call.told);
  exact_.add(call.exact);
  file_.add_text(marked(call.opened));
  const std::string& letters = kinds_.of(call.number).arguments;
  for (size_t i = 0; i < kArguments; i++) {
    char hex[24];
    std::snprintf(hex, sizeof hex, "0x%llx", static_cast<unsigned long long>(call.arguments[i]));
    arguments_[i]->add_text(i < letters.size() || letters.empty() ? hex : "");
    const CallText& text = call.texts[i];
    texts_[i]->add_text(text.known ? (text.unsure ? "?" : "=") + text.text : marked(call.files[i]));
  }
}

OpenFileRows::OpenFileRows(TableData& table, const Mounts& mounts)
    : table_(table),
      mounts_(mounts),
      pid_(table.number("pid")),
      comm_(table.text("comm")),
      fd_(table.number("fd")),
      opened_(table.number("opened_ms")),
      seen_(table.number("seen")),
      age_(table.number("age_ns")),
      closed_(table.number("closed")),
      path_(table.text("path")),
      mount_(table.text("mount")),
      fstype_(table.text("fstype")) {
  using Sums = OpenFile::Sums;
  for (auto& [name, counter] :
       std::initializer_list<std::pair<const char*, Counter>>{{"reads", &Sums::reads},
                                                              {"writes", &Sums::writes},
                                                              {"others", &Sums::others},
                                                              {"errors", &Sums::errors},
                                                              {"read_bytes", &Sums::read_bytes},
                                                              {"write_bytes", &Sums::write_bytes},
                                                              {"io_ns", &Sums::io_ns},
                                                              {"longest_ns", &Sums::longest_ns}})
    sums_.emplace_back(&table.number(name), counter);
}

void OpenFileRows::add(const OpenFile& file, Engine& engine, Nanos now) {
  table_.length++;
  pid_.add(file.pid);
  comm_.add_text(engine.strings.text(engine.tasks.get(file.pid).comm));
  fd_.add(file.fd);
  opened_.add(static_cast<double>(file.opened) / 1e6);
  seen_.add(file.seen);
  const Nanos until = file.closed ? file.closed : now;
  age_.add(until > file.opened ? static_cast<double>(until - file.opened) : 0);
  closed_.add(file.closed != 0);
  path_.add_text(shown_name(file));
  const Mounts::Mount& on = mounts_.of(file.name());
  mount_.add_text(on.point);
  fstype_.add_text(on.type);
  for (auto& [column, counter] : sums_) column->add(static_cast<double>(file.now.*counter));
}

SlowRows::SlowRows(TableData& table, const CallKinds& kinds, const Mounts& mounts, Named named)
    : table_(table),
      kinds_(kinds),
      mounts_(mounts),
      named_(std::move(named)),
      kind_(table.text("kind")),
      now_(table.number("in_flight")),
      at_least_(table.number("at_least")),
      at_(table.number("at_ms")),
      took_(table.number("took_ns")),
      pid_(table.number("pid")),
      tid_(table.number("tid")),
      comm_(table.text("comm")),
      call_(table.text("call")),
      fd_(table.number("fd")),
      result_(table.number("result")),
      flags_(table.number("flags")),
      io_(table.number("io_ns")),
      bytes_(table.number("bytes")),
      how_(table.text("how")),
      path_(table.text("path")),
      fstype_(table.text("fstype")),
      device_(table.text("device")) {}

void SlowRows::add(const SlowFile& slow, bool in_flight, Engine& engine) {
  static const char* const kinds[] = {"open", "lifetime", "io"};
  std::string name;
  int64_t open_flags = slow.file ? slow.file->flags : -1;
  if (slow.file) {
    if (!slow.file->is_path()) return;
    name = shown_name(*slow.file);
  } else if (slow.call) {
    const CallEffect& effect = kinds_.of(slow.call->number).effect;
    name = shown_name(named_(*slow.call));
    if (effect.third >= 0) open_flags = slow.call->arguments[static_cast<size_t>(effect.third)];
  }
  table_.length++;
  kind_.add_text(kinds[slow.kind]);
  now_.add(in_flight);
  at_least_.add(slow.call ? !slow.call->exact : 0);
  at_.add(static_cast<double>(slow.start) / 1e6);
  took_.add(static_cast<double>(slow.took));
  pid_.add(slow.pid);
  tid_.add(slow.tid);
  comm_.add_text(engine.strings.text(slow.comm ? slow.comm : engine.tasks.get(slow.tid).comm));
  call_.add_text(slow.number < 0 ? "" : kinds_.name(slow.number));
  fd_.add(slow.file ? slow.file->fd : kUnknown);
  result_.add(in_flight || slow.kind == SlowFile::kLifetime ? kUnknown : static_cast<double>(slow.result));
  flags_.add(open_flags < 0 ? kUnknown : static_cast<double>(open_flags));
  const bool whole = slow.kind == SlowFile::kLifetime && slow.file;
  io_.add(whole ? static_cast<double>(slow.file->all.io_ns) : kUnknown);
  bytes_.add(whole ? static_cast<double>(slow.file->all.read_bytes + slow.file->all.write_bytes)
             : slow.kind == SlowFile::kWork && !in_flight && slow.result >= 0 ? static_cast<double>(slow.result)
                                                                              : kUnknown);
  how_.add_text(slow.how);
  path_.add_text(name);
  const Mounts::Mount& on = mounts_.of(name);
  fstype_.add_text(on.type);
  device_.add_text(on.device);
}

}  // namespace ktop
