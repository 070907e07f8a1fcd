#include "expr.h"

#include <algorithm>

#include "engine/address_text.h"

namespace ktop {

void Memo::put(int64_t key, int64_t value, Nanos now) {
  size_t i = place(key);
  if (!entries_[i].used) {
    if (used_ >= kMost || 2 * (used_ + 1) > entries_.size()) {
      make_room(now);
      i = place(key);
    }
    used_++;
  }
  entries_[i] = {key, value, now, true};
}

// Grows up to a bound, then drops what has expired, then everything.
void Memo::make_room(Nanos now) {
  std::vector<Entry> old(used_ >= kMost ? entries_.size() : 2 * entries_.size());
  old.swap(entries_);
  const bool full = used_ >= kMost;
  used_ = 0;
  for (const Entry& entry : old) {
    if (!entry.used || (full && expired(entry, now))) continue;
    entries_[place(entry.key)] = entry;
    used_++;
  }
  if (used_ < kMost) return;
  std::fill(entries_.begin(), entries_.end(), Entry());
  used_ = 0;
}

int64_t Memo::get(int64_t key, Nanos now) const {
  const Entry& entry = entries_[place(key)];
  return entry.used && !expired(entry, now) ? entry.value : 0;
}

Expr Expr::constant(int64_t value) {
  Expr expr;
  expr.code_.push_back({kConst, false, 0, 0, value});
  expr.simple_ = true;
  return expr;
}

const Expr::Extra& Expr::extra(const Step& step) const { return extras_[static_cast<size_t>(step.value)]; }

int64_t Expr::load(const Step& step, const Record& record, Scope& scope) const {
  switch (step.op) {
    case kConst:
      return step.value;
    case kField:
      return read_field(step, record);
    case kText:
      return scope.strings.id(read_text(extra(step).field, record.raw, record.size));
    case kTid:
      return record.tid;
    case kPid:
      return scope.tasks.pid(record.tid);
    case kCpu:
      return record.cpu;
    case kTime:
      return static_cast<int64_t>(record.time);
    case kComm:
      return scope.tasks.get(record.tid).comm;
    case kIrq:
      return interrupted(record);
    case kWho: {
      const unsigned flags = record.raw != nullptr && record.size > 2 ? record.raw[2] : 0;
      return flags & 0x40 ? -3 : flags & 0x08 ? -1 : flags & 0x10 ? -2 : static_cast<int64_t>(record.tid);
    }
    case kPpid:
      return scope.tasks.get(record.tid).ppid;
    case kPcomm:
      return scope.tasks.get(scope.tasks.get(record.tid).ppid).comm;
    case kUid: {
      const uint32_t uid = scope.tasks.get(record.tid).uid;
      return uid == UINT32_MAX ? -1 : static_cast<int64_t>(uid);
    }
    case kIp: {
      const Field& field = extra(step).field;
      return scope.strings.id(address_text(read_bytes(field, record.raw, record.size)));
    }
    case kUser:
      return record.user;
    case kCompat:
      return scope.tasks.compat(record.tid);
    case kFollowed:
      return scope.tasks.followed(record.tid);
    case kHas:
      return read_text(extra(step).field, record.raw, record.size).find(extra(step).text) != std::string_view::npos;
    case kNum: {
      int64_t value = 0;
      for (char c : read_text(extra(step).field, record.raw, record.size)) {
        if (c < '0' || c > '9' || value > INT64_MAX / 10 - 10) break;
        value = value * 10 + (c - '0');
      }
      return value;
    }
    default:
      return 0;
  }
}

int64_t Expr::run(const Record& record, Scope& scope) const {
  // Depth is bounded by the parser (kDeepest operands wait at most).
  int64_t stack[1 + 64];  // from 1 on
  int64_t* top = stack;
  const Step* const first = code_.data();
  const Step* const end = first + code_.size();
  const auto wrap = [](uint64_t v) { return static_cast<int64_t>(v); };
  // Two operands become one; unsigned where C would leave an overflow undefined.
  const auto binary = [&top](auto of) {
    const int64_t b = *top--;
    *top = of(*top, b);
  };
  const auto unsigned_binary = [&binary, wrap](auto of) {
    binary([&](int64_t a, int64_t b) { return wrap(of(static_cast<uint64_t>(a), static_cast<uint64_t>(b))); });
  };
  for (const Step* step = first; step != end; step++) {
    switch (step->op) {
      case kField:
        *++top = read_field(*step, record);
        break;
      case kConst:
        *++top = step->value;
        break;
      case kRecall:
        *top = extra(*step).memo->get(*top, record.time);
        break;
      case kOneOf: {
        const std::vector<int64_t>& set = extra(*step).set;
        *top = std::binary_search(set.begin(), set.end(), *top);
        break;
      }
      case kNeg:
        *top = wrap(0 - static_cast<uint64_t>(*top));
        break;
      case kNot:
        *top = !*top;
        break;
      case kBitNot:
        *top = ~*top;
        break;
      case kBool:
        *top = *top != 0;
        break;
      case kPop:
        top--;
        break;
      case kJump:
        step = first + step->value - 1;
        break;
      case kJumpIfZero:
        if (*top-- == 0) step = first + step->value - 1;
        break;
      case kJumpIfZeroKeep:
        if (*top == 0) step = first + step->value - 1;
        break;
      case kJumpIfTrueKeep:
        if (*top != 0) step = first + step->value - 1;
        break;
      case kMul:
        unsigned_binary([](uint64_t a, uint64_t b) { return a * b; });
        break;
      case kDiv:
        binary([](int64_t a, int64_t b) { return b == 0 || (b == -1 && a == INT64_MIN) ? 0 : a / b; });
        break;
      case kMod:
        binary([](int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; });
        break;
      case kAdd:
        unsigned_binary([](uint64_t a, uint64_t b) { return a + b; });
        break;
      case kSub:
        unsigned_binary([](uint64_t a, uint64_t b) { return a - b; });
        break;
      case kShl:
        unsigned_binary([](uint64_t a, uint64_t b) { return b > 63 ? 0 : a << b; });
        break;
      case kShr:
        unsigned_binary([](uint64_t a, uint64_t b) { return b > 63 ? 0 : a >> b; });
        break;
      case kLt:
        binary([](int64_t a, int64_t b) { return a < b; });
        break;
      case kLe:
        binary([](int64_t a, int64_t b) { return a <= b; });
        break;
      case kGt:
        binary([](int64_t a, int64_t b) { return a > b; });
        break;
      case kGe:
        binary([](int64_t a, int64_t b) { return a >= b; });
        break;
      case kEq:
        binary([](int64_t a, int64_t b) { return a == b; });
        break;
      case kNe:
        binary([](int64_t a, int64_t b) { return a != b; });
        break;
      case kAnd:
        binary([](int64_t a, int64_t b) { return a & b; });
        break;
      case kXor:
        binary([](int64_t a, int64_t b) { return a ^ b; });
        break;
      case kOr:
        binary([](int64_t a, int64_t b) { return a | b; });
        break;
      default:
        *++top = load(*step, record, scope);
        break;
    }
  }
  return stack[1];
}

}  // namespace ktop
