// outstanding: what was allocated and not freed, by pointer, rolled up by call site or stack.
#include <algorithm>
#include <unordered_map>

#include "engine/key_map.h"
#include "engine/operator.h"
#include "perf/transport.h"

namespace ktop {
namespace {

class Outstanding final : public Operator {
 public:
  Outstanding(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine)
      : spec_(spec), clauses_(std::move(clauses)), objects_(1) {
    for (const Clause& clause : clauses_) {
      role_.push_back(clause.as == "alloc" ? kAlloc : clause.as == "free" ? kFree : kDefer);
      if (role_.back() == kDefer && clause.as != "defer")
        throw Failure(Failure::kInternal, spec.name + ": a clause of outstanding is alloc, free or defer");
      ptr_.push_back(&clause.input("ptr"));
      size_.push_back(clause.find_input("size"));
      site_.push_back(clause.find_input("site"));
    }
    interrupt_ = Expr::compile("$irq", nullptr, engine);
    interrupt_comm_ = engine.strings.id("(interrupt)");
  }

  void on_event(uint32_t index, const Record& record, Engine& engine) override {
    const Clause& clause = clauses_[index];
    if (!clause.passes(record, engine)) return;
    const int64_t ptr = ptr_[index]->eval(record, engine);
    // kfree(NULL) is traced; a failed allocation gives 0 or an error number (ERR_PTR, a page frame of -1).
    if (ptr == 0 || (ptr < 0 && ptr >= -kMostErrno)) return;
    if (role_[index] != kAlloc) {
      const uint32_t row = objects_.find(&ptr);
      if (row == KeyMap::kNone) return;
      if (role_[index] == kFree)
        objects_.erase(row);
      else
        info_[row].deferred_at = record.time;
      return;
    }
    if (objects_.size() >= kMost && objects_.find(&ptr) == KeyMap::kNone) {
      overflow_++;
      return;
    }
    bool fresh;
    const uint32_t row = objects_.insert(&ptr, &fresh);
    if (row >= info_.size()) info_.resize(row + 1);
    Object& object = info_[row];
    // The address is handed out again though nobody freed it by a traced call: RCU or bulk free.
    if (!fresh && !object.deferred_at) unseen_frees_[object.where()]++;
    object.time = record.time;
    object.deferred_at = 0;
    object.size = size_[index] ? size_[index]->eval(record, engine) : 0;
    object.site = site_[index] ? site_[index]->eval(record, engine) : 0;
    object.stack = record.frame_count ? engine.stacks.id(record.frames, record.frame_count) : 0;
    // The task that was interrupted has nothing to do with it.
    object.comm = interrupt_.eval(record, engine) ? interrupt_comm_ : engine.tasks.get(record.tid).comm;
  }

  void on_lost(const LostWindow& window, Engine&) override {
    // Its free may be among the lost events: nothing older than the window can be called outstanding.
    for (uint32_t row = 0; row < objects_.rows(); row++) {
      if (!objects_.alive(row) || info_[row].time >= window.to) continue;
      objects_.erase(row);
      dropped_ += !window.unwatched;
    }
  }

  void snapshot(SnapshotData& out, Nanos now, Engine& engine) override {
    Groups groups, deferred;
    uint64_t young = 0;
    for (uint32_t row = 0; row < objects_.rows(); row++) {
      if (!objects_.alive(row)) continue;
      const Object& object = info_[row];
      if (object.deferred_at && now > object.deferred_at + kGrace) {
        objects_.erase(row);
        continue;
      }
      const uint64_t age = now > object.time ? now - object.time : 0;
      if (age < spec_.age_ns) {
        young++;
        continue;
      }
      Group& group = (object.deferred_at ? deferred : groups)[object.where()];
      group.any = &object;
      group.count++;
      group.bytes += object.size;
      group.oldest = std::max(group.oldest, age);
      group.comms[object.comm]++;
    }
    for (auto& [where, frees] : unseen_frees_) {
      auto found = groups.find(where);
      if (found != groups.end()) found->second.unseen_frees = frees;
    }
    write(out, groups, deferred, engine);
    if (groups.count(0))
      out.notes.push_back(spec_.name +
                          ": an event does not say who asked for the memory; with call chains (-g) it shows");
    if (young) out.notes.push_back(std::to_string(young) + " younger objects not shown (--age)");
    if (dropped_)
      out.notes.push_back(std::to_string(dropped_) + " objects dropped: events were lost, they may have been freed");
    if (overflow_)
      out.notes.push_back(std::to_string(overflow_) + " allocations not followed: more than " + std::to_string(kMost) +
                          " objects outstanding");
  }

 private:
  static constexpr uint32_t kMost = 2u << 20;
  static constexpr int64_t kMostErrno = 4095;
  // What was handed to RCU is freed within a grace period and a batch: by then it is gone, though no event says so.
  static constexpr Nanos kGrace = 30'000'000'000;
  enum Role : uint8_t { kAlloc, kFree, kDefer };
  struct Object {
    Nanos time = 0, deferred_at = 0;
    int64_t size = 0, site = 0;
    uint32_t stack = 0, comm = 0;
    // Stack ids are small, call sites are kernel addresses: one number tells both apart.
    uint64_t where() const { return stack ? stack : static_cast<uint64_t>(site); }
  };
  struct Group {
    const Object* any = nullptr;
    uint64_t count = 0, oldest = 0, unseen_frees = 0;
    int64_t bytes = 0;
    std::unordered_map<uint32_t, uint64_t> comms;
  };
  using Groups = std::unordered_map<uint64_t, Group>;

  void write(SnapshotData& out, const Groups& groups, const Groups& deferred, Engine& engine) {
    TableData table;
    table.name = spec_.name;
    table.key = {"site", "stack", "bucket"};
    table.length = static_cast<uint32_t>(groups.size() + deferred.size());
    ColumnData& count = table.number("count");
    ColumnData& bytes = table.number("bytes");
    ColumnData& oldest = table.number("oldest_ns");
    ColumnData& frees = table.number("unseen_frees");
    ColumnData& bucket = table.text("bucket");
    ColumnData& site = table.text("site");
    ColumnData& comms = table.text("comms");
    ColumnData& stack = table.text("stack");
    const auto add = [&](const Group& group, bool is_bulk) {
      count.add(out.scaled(static_cast<double>(group.count)));
      bytes.add(out.scaled(static_cast<double>(group.bytes)));
      oldest.add(static_cast<double>(group.oldest));
      frees.add(static_cast<double>(group.unseen_frees));
      bucket.add_text(is_bulk ? "rcu/bulk" : "outstanding");
      site.add_text(group.any->site ? engine.world.symbols().name(static_cast<uint64_t>(group.any->site), true)
                                    : first_caller(group.any->stack, engine));
      comms.add_text(top_comms(group, out, engine));
      stack.add_text(stack_text(group.any->stack, engine));
    };
    for (auto& [where, group] : groups) add(group, group.unseen_frees != 0);
    for (auto& [where, group] : deferred) add(group, true);
    out.tables.push_back(std::move(table));
  }

  static std::string first_caller(uint32_t stack, const Engine& engine) {
    const auto lines = stack_lines(stack, engine);
    return lines.empty() ? "?" : lines[0];
  }

  static std::string top_comms(const Group& group, const SnapshotData& out, const Engine& engine) {
    std::vector<std::pair<uint64_t, uint32_t>> order;
    for (auto& [comm, n] : group.comms) order.emplace_back(n, comm);
    const size_t shown = std::min<size_t>(3, order.size());
    std::partial_sort(
        order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
        [](auto& a, auto& b) { return a.first > b.first || (a.first == b.first && a.second < b.second); });
    std::string text;
    for (size_t i = 0; i < shown; i++)
      text += (i ? " " : "") + engine.strings.text(order[i].second) + (out.scale == 1 ? "(" : "(~") +
              std::to_string(static_cast<uint64_t>(out.scaled(static_cast<double>(order[i].first)))) + ")";
    if (order.size() > shown) text += " +" + std::to_string(order.size() - shown);
    return text;
  }

  const OperatorSpec spec_;
  const std::vector<Clause> clauses_;
  std::vector<Role> role_;
  std::vector<const Expr*> ptr_, size_, site_;
  Expr interrupt_ = Expr::constant(0);
  uint32_t interrupt_comm_ = 0;
  KeyMap objects_;
  std::vector<Object> info_;
  std::unordered_map<uint64_t, uint64_t> unseen_frees_;
  uint64_t dropped_ = 0, overflow_ = 0;
};

}  // namespace

std::unique_ptr<Operator> make_outstanding(const OperatorSpec& spec, std::vector<Clause> clauses, Engine& engine) {
  return std::make_unique<Outstanding>(spec, std::move(clauses), engine);
}

}  // namespace ktop
