// Expressions over the fields of one event, compiled from text to a small stack program.
// Grammar and names: `Expr` in src/monitors/monitor.ts. Everything is a 64-bit integer; texts are interned ids.
#pragma once
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/strings.h"
#include "engine/world.h"
#include "perf/record.h"
#include "proc/tasks.h"
#include "trace/format.h"

namespace ktop {

// What `remember` stored: a bounded map whose entries grow old.
class Memo {
 public:
  explicit Memo(uint64_t ttl_ns) : ttl_(ttl_ns), entries_(64) {}
  void put(int64_t key, int64_t value, Nanos now);
  int64_t get(int64_t key, Nanos now) const;
  void clear() {
    entries_.assign(64, {});
    used_ = 0;
  }

 private:
  static constexpr size_t kMost = 65536;
  struct Entry {
    int64_t key, value;
    Nanos time;
    bool used = false;
  };
  bool expired(const Entry& entry, Nanos now) const { return ttl_ != 0 && now > entry.time && now - entry.time > ttl_; }
  // Where the key is, or would be.
  size_t place(int64_t key) const {
    size_t i = static_cast<size_t>((static_cast<uint64_t>(key) * 0x9E3779B97F4A7C15ull) >> 32);
    for (i &= entries_.size() - 1; entries_[i].used && entries_[i].key != key;) i = (i + 1) & (entries_.size() - 1);
    return i;
  }
  void make_room(Nanos now);
  uint64_t ttl_;
  std::vector<Entry> entries_;  // open addressing, at most half full
  size_t used_ = 0;
};

// What expressions may look at besides the record.
struct Scope {
  Strings& strings;
  Tasks& tasks;
  std::map<std::string, Memo> memos;
  const World& world = World::this_host();
};

class Expr {
 public:
  // Compiles `text` for events of this format (null: clock samples, which have no fields).
  // Throws Failure(kUsage): the unknown field and the event's real ones, or the place of a syntax error.
  static Expr compile(const std::string& text, const EventFormat* format, Scope& scope);
  static Expr constant(int64_t value);

  int64_t eval(const Record& record, Scope& scope) const {
    if (simple_) {
      const Step& step = code_[0];
      return step.op == kField ? read_field(step, record) : load(step, record, scope);
    }
    return run(record, scope);
  }
  bool is_text() const { return is_text_; }
  // Name of the field when the expression is just one field, else "".
  const std::string& field_name() const { return field_name_; }
  // It is $tid and nothing else.
  bool is_thread() const { return code_.size() == 1 && code_[0].op == kTid; }

 private:
  friend class ExprParser;
  enum Op : uint8_t {
    kConst,
    kField,
    kText,
    kTid,
    kPid,
    kCpu,
    kTime,
    kComm,
    kIrq,
    kWho,
    kPpid,
    kPcomm,
    kUid,
    kIp,
    kUser,
    kCompat,
    kFollowed,
    kHas,
    kNum,
    kRecall,
    kOneOf,
    kNeg,
    kNot,
    kBitNot,
    kMul,
    kDiv,
    kMod,
    kAdd,
    kSub,
    kShl,
    kShr,
    kLt,
    kLe,
    kGt,
    kGe,
    kEq,
    kNe,
    kAnd,
    kXor,
    kOr,
    kBool,
    kJumpIfZero,
    kJump,
    kJumpIfZeroKeep,
    kJumpIfTrueKeep,
    kPop
  };
  // Small, so that a program stays in a few cache lines; what few steps need lives in extras_.
  struct Step {
    Op op;
    bool is_signed = false;  // kField
    uint8_t size = 0;        // kField
    uint32_t offset = 0;     // kField
    int64_t value = 0;       // constant, jump target, index into extras_
  };
  struct Extra {
    Field field;               // kText, kHas, kNum
    std::string text;          // kHas
    Memo* memo = nullptr;      // kRecall
    std::vector<int64_t> set;  // kOneOf, sorted
  };
  static int64_t read_field(const Step& step, const Record& record) {
    if (static_cast<uint64_t>(step.offset) + step.size > record.size) return 0;
    const uint8_t* at = record.raw + step.offset;
    switch (step.size) {
      case 1:
        return step.is_signed ? static_cast<int8_t>(*at) : static_cast<int64_t>(*at);
      case 2:
        return step.is_signed ? static_cast<int64_t>(load_as<int16_t>(at)) : load_as<uint16_t>(at);
      case 4:
        return step.is_signed ? static_cast<int64_t>(load_as<int32_t>(at)) : load_as<uint32_t>(at);
      case 8:
        return load_as<int64_t>(at);
      default:
        return 0;
    }
  }
  template <typename T>
  static T load_as(const uint8_t* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  const Extra& extra(const Step& step) const;
  int64_t load(const Step& step, const Record& record, Scope& scope) const;
  int64_t run(const Record& record, Scope& scope) const;

  std::vector<Step> code_;
  std::vector<Extra> extras_;
  bool simple_ = false;
  bool is_text_ = false;
  std::string field_name_;
};

}  // namespace ktop
