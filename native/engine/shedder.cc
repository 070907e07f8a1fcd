#include "engine/shedder.h"

#include <algorithm>
#include <cstdio>

namespace ktop {
namespace {

constexpr double kShares[] = {0.1, 0.02};
constexpr double kAll = 0.99;  // of an interval: the moment of a change is not worth a mark

// ns that the kernel takes for one event, measured on kernels 6.x (a lean sample; its call chain; 16 KiB of user stack;
// a breakpoint). They are for telling much from little.
constexpr double kPerfNs = 115, kTracefsNs = 65, kStackNs = 650, kUserStackNs = 2000, kClockNs = 500;
constexpr double kKernelProbeNs = 300, kUserProbeNs = 1500;
constexpr double kMostReaderNs = 200;  // for one event: what is more is the price of waking up

double probe_ns(const std::string& kind) {
  if (kind.empty() || kind == "eprobe") return 0;
  return kind[0] == 'u' ? kUserProbeNs : kKernelProbeNs;
}

std::vector<Rung> rungs_of(const ShedSpec& spec, bool lean, bool filter) {
  std::vector<Rung> rungs = {Rung()};
  if (lean) rungs.push_back({Rung::kLean, 1});
  if (filter) rungs.push_back({Rung::kFilter, 1});
  if (spec.last == "duty")
    for (double share : kShares) rungs.push_back({Rung::kDuty, share});
  if (spec.last == "duty" || spec.last == "off") rungs.push_back({Rung::kOff, 0});
  return rungs;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 10 ? "%.1f" : "%.0f", value);
  const std::string out = text;
  return out.size() > 2 && out.compare(out.size() - 2, 2, ".0") == 0 ? out.substr(0, out.size() - 2) : out;
}

}  // namespace

Shedder::Shedder(const Plan& plan, const TransportSpec& spec, std::vector<SlotUse> uses)
    : spec_(plan.shed), uses_(std::move(uses)), clock_stacks_(spec.sampler.stack), budget_(plan.budget) {
  uses_.resize(spec.events.size());
  for (const EventRequest& event : spec.events) {
    stacks_.push_back(event.stack);
    user_stacks_.push_back(event.user_stack != 0);
    has_stacks_ |= event.stack;
  }
  for (const OperatorSpec& op : plan.operators) keeps_ |= op.keep && (op.op == "count" || op.op == "histogram");
  const bool lean = !secondary().empty() || (sheds_stacks() && spec_.last != "never");
  ladder_ = Ladder(rungs_of(spec_, lean, has_filters()), budget_);
  on_ = budget_ > 0 && !spec.events.empty();
}

bool Shedder::has_filters() const {
  return std::any_of(uses_.begin(), uses_.end(), [](auto& use) { return !use.sample.empty(); });
}

std::vector<uint16_t> Shedder::secondary() const {
  std::vector<uint16_t> slots;
  for (size_t i = 0; i < uses_.size(); i++)
    if (uses_[i].is_secondary) slots.push_back(static_cast<uint16_t>(i));
  return slots;
}

int Shedder::opens(Rung::Kind kind) const {
  const bool filtered = has_filters() && kind != Rung::kFull && kind != Rung::kLean;
  const bool plain = sheds_stacks() && kind != Rung::kFull;
  return (kind == Rung::kOff ? 4 : 0) + (filtered ? 2 : 0) + (plain ? 1 : 0);
}

TransportSpec Shedder::apply(TransportSpec all) const {
  const Rung::Kind kind = rung().kind;
  if (kind == Rung::kFull) return all;
  for (size_t slot = 0; slot < all.events.size(); slot++) {
    EventRequest& event = all.events[slot];
    const SlotUse& use = uses_[slot];
    event.on = kind != Rung::kOff && !use.is_secondary;
    if (sheds_stacks()) event.stack = false;
    if (kind == Rung::kLean || use.sample.empty()) continue;
    event.filter = event.filter.empty() ? use.sample : "(" + event.filter + ") && " + use.sample;
  }
  if (kind == Rung::kOff) {
    all.sampler = {};
    all.graph.on = false;
  }
  return all;
}

void Shedder::begin(Nanos now, const Transport& transport) {
  received_ = transport.received();
  lost_ = transport.reported_lost();
  if (tick_at_ != 0) return;
  tick_from_ = interval_from_ = now;
  tick_at_ = now + kTick;
}

void Shedder::set_watching(Nanos now, bool watching) {
  if (watching != watching_) {
    watched_ = watched(now);
    watching_ = watching;
    since_ = now;
  }
  const double on = kPeriod * rung().duty;
  window_at_ = now + static_cast<Nanos>(watching ? on : kPeriod - on);
}

bool Shedder::window_due(Nanos now) const { return rung().kind == Rung::kDuty && now >= window_at_; }

int Shedder::wait_ms(Nanos now, int most) const {
  // A tick can wait for whatever wakes the reader; the end of a window cannot.
  if (rung().kind != Rung::kDuty) return most;
  if (window_at_ <= now) return 0;
  return static_cast<int>(std::min<Nanos>(static_cast<Nanos>(most), (window_at_ - now + 999'999) / 1'000'000));
}

double Shedder::kernel_ns(size_t slot, bool tracefs) const {
  if (slot >= uses_.size()) return kClockNs + (clock_stacks_ ? kStackNs : 0);
  const bool stack = stacks_[slot] && (rung().kind == Rung::kFull || spec_.keeps_stacks);
  return (tracefs ? kTracefsNs : kPerfNs) + (stack ? kStackNs : 0) + (user_stacks_[slot] ? kUserStackNs : 0) +
         probe_ns(uses_[slot].probe);
}

Shedder::Cost Shedder::cost_of(const Transport& transport, Nanos passed, Nanos cpu, double open) {
  const std::vector<uint64_t> received = transport.received();
  const uint64_t lost = transport.reported_lost();
  const bool tracefs = std::string(transport.name()) != "perf";
  double kernel = 0, events = 0;
  for (size_t i = 0; i < received.size() && i < received_.size(); i++) {
    const double more = static_cast<double>(received[i] - received_[i]);
    events += more;
    kernel += more * kernel_ns(i, tracefs);
  }
  // What was lost had its price, too.
  const double missed = static_cast<double>(lost - std::min(lost, lost_));
  if (events > 0) kernel *= 1 + missed / events;
  received_ = received;
  lost_ = lost;
  // Waking up for a window has its price whatever is in it, which says nothing of what all of the time would take.
  const double own = static_cast<double>(cpu), reading = std::min(own, (events + missed) * kMostReaderNs);
  const double whole = (kernel + reading) / std::max(open, 1e-3) + own - reading;
  return {(kernel + own) / static_cast<double>(passed), whole / static_cast<double>(passed)};
}

bool Shedder::tick(Nanos now, Nanos cpu, const Transport& transport) {
  const Nanos passed = std::max<Nanos>(now - tick_from_, 1);
  const Nanos own = cpu - std::min(cpu, tick_cpu_) + other_cpu_;
  const double open = static_cast<double>(watched(now) - tick_watched_) / static_cast<double>(passed);
  reader_cpu_ = static_cast<double>(cpu - std::min(cpu, tick_cpu_)) / static_cast<double>(passed);
  const Cost cost = cost_of(transport, passed, own, open);
  tick_from_ = now;
  tick_at_ = now + kTick;
  tick_watched_ = watched(now);
  tick_cpu_ = cpu;
  other_cpu_ = 0;
  const bool was_over = ladder_.over();
  const bool moved = ladder_.tick(cost.took, cost.all_time);
  if (moved || was_over != ladder_.over()) text_ = sentence();
  if (moved && rung().kind == Rung::kFull) returned_ = true;
  return moved;
}

std::string Shedder::budget_text() const {
  return "all of it would take about " + number(100 * ladder_.whole()) + " % of a CPU, the budget is " +
         number(100 * budget_) + " % (--budget)";
}

std::string Shedder::sentence() const {
  if (rung().kind == Rung::kFull && !ladder_.over()) return "";
  return left_out() + "; " + budget_text();
}

// What matters most first: there may be room for no more.
std::string Shedder::left_out() const {
  const Rung& now = rung();
  if (now.kind == Rung::kFull)
    return "watching costs more than it may, and nothing is left out" + (spec_.lacks.empty() ? "" : ": " + spec_.lacks);
  if (now.kind == Rung::kOff)
    return "too much to be watched: nothing is, for the next " +
           number(static_cast<double>(ladder_.until_retry()) * kTick / 1e9) + " s; a filter would make it less";
  std::string left;
  const auto add = [&left](const std::string& what) { left += (left.empty() ? "" : "; ") + what; };
  if (now.kind == Rung::kDuty) {
    add("only " + number(100 * now.duty) + " % of the time is watched, " + number(now.duty * kPeriod / 1e6) +
        " ms at a time: counts and sums are scaled up (~)");
    if (!spec_.lacks.empty()) add(spec_.lacks);
  }
  if (has_filters() && now.kind == Rung::kFilter && !spec_.sample_says.empty()) add(spec_.sample_says);
  for (const SlotUse& use : uses_)
    if (use.is_secondary && !use.missing.empty()) add(use.missing);
  if (sheds_stacks()) add("no call chains");
  return left.empty() ? "some events are left out" : left;
}

void Shedder::snapshot(Nanos now, SnapshotData& out) {
  if (!on_) return;
  const double passed = static_cast<double>(std::max<Nanos>(now - interval_from_, 1));
  double share = static_cast<double>(watched(now) - interval_watched_) / passed;
  interval_from_ = now;
  interval_watched_ = watched(now);
  if (share > kAll) share = 1;
  if (rung().kind == Rung::kFilter) share *= spec_.sample_share;
  if (share > 0 && share < 1) out.scale = 1 / share;
  static const char* const kinds[] = {"full", "lean", "filter", "duty", "off"};
  has_scaled_ |= share < 1;
  if (has_scaled_ && keeps_) out.notes.push_back("totals since the start are scaled in part: not all was watched");
  if (text_.empty() && !returned_ && share == 1) return;
  ShedData shed;
  shed.level = static_cast<uint32_t>(ladder_.level());
  shed.kind = kinds[rung().kind];
  shed.share = share;
  shed.cost_pct = 100 * ladder_.whole();
  shed.text = returned_ ? "watching all of it again" : text_;
  returned_ = false;
  if (share == 0 && rung().kind == Rung::kDuty) shed.text += "; no window of it fell into this interval";
  if (!shed.text.empty()) out.notes.push_back(shed.text);
  out.shed = std::move(shed);
}

}  // namespace ktop
