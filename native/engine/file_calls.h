// System calls and the files they are about, as the operator `descriptors` keeps them, and what a call does to
// descriptors.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <unordered_map>

#include "engine/open_files.h"
#include "engine/operator.h"

namespace ktop {

constexpr size_t kArguments = 6;

struct CallEffect {
  enum Kind : uint8_t {
    kNone,
    kOpen,
    kMake,
    kClose,
    kCloseRange,
    kDup,
    kDup2,
    kFcntl,
    kDirectory,
    kFileDirectory,
    kRead,
    kWrite,
    kOther,
    kMove
  } kind = kNone;
  int first = -1, second = -1, third = -1;
};

struct CallKind {
  std::string arguments;
  CallEffect effect;
};

// What calls are called, what their arguments are and what they do: the plan's names, by number.
class CallKinds {
 public:
  explicit CallKinds(const Engine& engine);
  const CallKind& of(int64_t number) const;
  // The number where the plan has no name for it.
  std::string name(int64_t number) const;

 private:
  const Engine::Names* names_ = nullptr;
  std::unordered_map<int64_t, CallKind> kinds_;
};

// A text argument. How far it can be trusted is told in front: '=' as the kernel copied it at the call, '?' read late.
struct CallText {
  bool known = false, unsure = false;
  std::string text;
};

struct FileCall {
  int64_t number = 0;
  std::array<int64_t, kArguments> arguments{};
  Nanos start = 0, took = 0;
  uint32_t cpu = 0, pid = 0, tid = 0, comm = 0;
  int64_t result = 0;
  bool exact = true;   // its beginning was seen
  bool shown = false;  // as a line
  bool told = false;   // as a line, before it ended
  enum End : uint8_t { kOpen, kReturned, kCut } end = kOpen;
  std::array<OpenFileRef, kArguments> files;
  std::array<CallText, kArguments> texts;
  OpenFileRef opened;
};
using FileCallRef = std::shared_ptr<FileCall>;

struct SlowFile {
  enum Kind : uint8_t { kOpening, kLifetime, kWork } kind;
  Nanos start, took;
  uint32_t pid, tid, comm;
  int64_t number;  // of the call; -1 = none
  int64_t result;
  OpenFileRef file;  // null: the open failed
  FileCallRef call;
  std::string how;
};

}  // namespace ktop
