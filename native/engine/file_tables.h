// The tables of the operator `descriptors`: calls as lines, open files with what was done with them, what was slow.
#pragma once
#include <array>
#include <functional>
#include <string>

#include "engine/file_calls.h"
#include "engine/snapshot.h"
#include "proc/mounts.h"

namespace ktop {

// As it is shown: with a '?' behind it when it was read late.
std::string shown_name(const OpenFile& file);

// One row a call.
class CallRows {
 public:
  // `zero`: when the first call began.
  CallRows(TableData& table, const CallKinds& kinds, Nanos zero);
  void add(const FileCall& call, Engine& engine, Nanos now);

 private:
  TableData& table_;
  const CallKinds& kinds_;
  const Nanos zero_;
  ColumnData &at_, &since_, &took_, &cpu_, &pid_, &tid_, &comm_, &call_, &result_, &end_, &told_, &exact_, &file_;
  std::array<ColumnData*, kArguments> arguments_, texts_;
};

// One row an open file.
class OpenFileRows {
 public:
  using Counter = uint64_t OpenFile::Sums::*;
  OpenFileRows(TableData& table, const Mounts& mounts);
  void add(const OpenFile& file, Engine& engine, Nanos now);

 private:
  TableData& table_;
  const Mounts& mounts_;
  ColumnData &pid_, &comm_, &fd_, &opened_, &seen_, &age_, &closed_, &path_, &mount_, &fstype_;
  std::vector<std::pair<ColumnData*, Counter>> sums_;
};

// One row an opening, a lifetime or a call that was slow, or is by now.
class SlowRows {
 public:
  // Of the file that a call opens, from what the call was given.
  using Named = std::function<OpenFile(const FileCall&)>;
  SlowRows(TableData& table, const CallKinds& kinds, const Mounts& mounts, Named named);
  // What is no path is left out.
  void add(const SlowFile& slow, bool in_flight, Engine& engine);

 private:
  TableData& table_;
  const CallKinds& kinds_;
  const Mounts& mounts_;
  const Named named_;
  ColumnData &kind_, &now_, &at_least_, &at_, &took_, &pid_, &tid_, &comm_, &call_, &fd_, &result_, &flags_, &io_,
      &bytes_, &how_, &path_, &fstype_, &device_;
};

}  // namespace ktop
