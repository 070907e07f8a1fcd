// The transport over a private trace instance. Where perf drops samples of an idle CPU this one does not.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>

#include "perf/accounting.h"
#include "perf/closer.h"
#include "perf/cpus.h"
#include "perf/merge.h"
#include "perf/session.h"
#include "perf/transport.h"
#include "perf/waiter.h"
#include "trace/call_texts.h"
#include "trace_buffers.h"

namespace ktop {
namespace {

class TraceTransport final : public Transport {
 public:
  TraceTransport(const TransportSpec& spec, const std::string& tracefs)
      : received_(spec.events.size() + 1), events_(spec.events), sampling_(spec.sampler.on()), steady_(spec.steady) {
    for (size_t i = 0; i < spec.events.size(); i++) table_.set(spec.events[i].type, static_cast<uint16_t>(i));
    TraceBuffers::Setup setup;
    setup.tracefs = tracefs;
    setup.cpus = choose_cpus(spec.cpus);
    setup.all_cpus = spec.cpus.empty();
    setup.slots = &table_;
    setup.received = &received_;
    if (spec.graph.on) setup.graph = &spec.graph;
    for (bool stacks : {false, true}) {
      setup.stacks = stacks;
      setup.events.clear();
      for (const EventRequest& event : spec.events)
        if (event.stack == stacks && event.on && event.type != CallTexts::kType) setup.events.push_back(event);
      if (setup.events.empty()) continue;
      buffers_.push_back(std::make_unique<TraceBuffers>(setup, &notes_));
      for (const auto& cursor : buffers_.back()->cursors()) cursors_.push_back(cursor.get());
      for (int fd : buffers_.back()->fds()) waiter_.add(fd);
    }
    try {
      session_ = std::make_unique<PerfSession>(spec, tracefs, PerfSession::kSideBand);
      for (const auto& ring : session_->rings()) cursors_.push_back(ring.get());
      for (int fd : session_->poll_fds()) waiter_.add(fd);
    } catch (const Failure& failure) {
      if (failure.kind != Failure::kHost || spec.sampler.on()) throw;
      notes_.push_back(std::string("no fork, exit and comm records: ") + failure.what());
    }
  }

  ~TraceTransport() override {
    // The removal waits for the kernel; `shared` because the work must be copyable.
    for (auto& buffers : buffers_) {
      std::shared_ptr<TraceBuffers> last = std::move(buffers);
      ClosingWork work;
      work.then = [last]() mutable { last.reset(); };
      last.reset();
      close_later(std::move(work));
    }
  }

  const char* name() const override { return "tracefs"; }

  void start() override {
    const Nanos now = monotonic_now();
    for (auto& buffers : buffers_)
      for (auto& cursor : buffers->cursors()) cursor->start_at(now);
    if (session_) session_->enable();
    for (auto& buffers : buffers_) buffers->on();
  }

  void pause() override {
    if (stopped_) return;
    for (auto& buffers : buffers_) buffers->off();
    if (session_) session_->pause();
  }

  void resume() override {
    if (stopped_) return;
    if (session_) session_->resume();
    for (auto& buffers : buffers_) buffers->on();
  }

  void set_on(uint16_t slot, bool on) override {
    for (auto& buffers : buffers_) buffers->set_on(events_[slot], on);
  }

  void wait(int timeout_ms) override {
    // Before Linux 6.1 the pipes are readable with their first event. Take a breath, lest each event wakes us.
    if (events_of_drain_ < 64 && timeout_ms > kBreathMs) {
      const Nanos until = last_drain_ + kBreathMs * UINT64_C(1000000);
      const Nanos now = monotonic_now();
      if (now < until && waiter_.wait_for_wake(kBreathMs)) return;
      timeout_ms -= kBreathMs;
    }
    waiter_.wait(timeout_ms);
  }
  void wake() override { waiter_.wake(); }

  void drain(RecordSink& sink, bool all) override {
    const uint64_t before = total_received();
    // Without an end of its own a drain of everything could chase the writers for ever.
    const Nanos horizon = !all ? drain_horizon() : stopped_ ? kNever : monotonic_now();
    for (Cursor* cursor : cursors_) cursor->refill();
    merge(cursors_, horizon, sink, order_);
    for (Cursor* cursor : cursors_) cursor->release();
    if (all && stopped_) close_all_losses(sink);
    events_of_drain_ = total_received() - before;
    last_drain_ = monotonic_now();
  }

  std::vector<EventCounts> counts() override {
    uint64_t lost = 0, unseen = 0;
    for (auto& buffers : buffers_) {
      for (auto& cursor : buffers->cursors()) {
        const TraceBuffers::Stats stats = buffers->stats(cursor->cpu());
        lost += std::max(stats.lost, cursor->missed());
        if (stopped_ && stats.written > cursor->decoded()) unseen += stats.written - cursor->decoded();
      }
    }
    std::vector<EventCounts> counts(received_.size());
    for (size_t i = 0; i < counts.size(); i++) counts[i].received = received_[i];
    share(lost, &counts, &EventCounts::lost);
    share(unseen, &counts, &EventCounts::unseen);
    // Reading a counter of another CPU waits for that CPU: one with interrupts off would hold up the whole reader. The
    // side band alone has nothing to count, so nobody waits where only lockups are watched.
    if (session_ && sampling_) {
      EventCounts& clock = counts.back();
      clock.received = session_->received().back();
      if (steady_ && !stopped_)
        for (const auto& ring : session_->rings()) clock.lost += ring->reported_lost();
      else
        clock.lost = session_->read_counts().back().lost;
    }
    for (EventCounts& c : counts) c.counted = c.received + c.lost + c.unseen;
    return counts;
  }

  std::vector<uint64_t> received() const override {
    std::vector<uint64_t> all = received_;
    if (session_ && sampling_) all.back() = session_->received().back();
    return all;
  }
  uint64_t reported_lost() const override {
    uint64_t lost = 0;
    for (auto& buffers : buffers_)
      for (auto& cursor : buffers->cursors()) lost += cursor->missed();
    return lost;
  }

  uint64_t late() const override { return order_.late; }

  void stop() override {
    if (stopped_) return;
    for (auto& buffers : buffers_) buffers->off();
    stopped_at_ = monotonic_now();
    stopped_ = true;
    if (session_) {
      for (int fd : session_->poll_fds()) waiter_.remove(fd);
      session_->disable();
    }
    for (auto& buffers : buffers_) {
      for (int fd : buffers->fds()) waiter_.remove(fd);
      if (!buffers->own()) continue;
      ClosingWork work;  // until then the disabled events cost the system a little
      work.then = [events = buffers->path() + "/events/enable"] {
        const int fd = ::open(events.c_str(), O_WRONLY | O_CLOEXEC);
        if (fd < 0) return;
        (void)!::write(fd, "0", 1);
        close(fd);
      };
      close_later(std::move(work));
    }
  }

  std::vector<std::string> notes() const override {
    std::vector<std::string> notes = notes_;
    if (session_) {
      notes.insert(notes.end(), session_->notes().begin(), session_->notes().end());
      add_fault_notes(*session_, &notes);
    }
    uint64_t malformed = 0;
    for (auto& buffers : buffers_)
      for (auto& cursor : buffers->cursors()) malformed += cursor->malformed();
    if (malformed) notes.push_back(std::to_string(malformed) + " trace pages could not be read to their end");
    return notes;
  }

 private:
  static constexpr int kBreathMs = 4;

  uint64_t total_received() const { return std::accumulate(received_.begin(), received_.end(), UINT64_C(0)); }

  // The kernel does not say which events were overwritten: in proportion to those received.
  static void share(uint64_t total, std::vector<EventCounts>* counts, uint64_t EventCounts::*part) {
    if (total == 0 || counts->size() < 2) return;
    uint64_t sum = 0, given = 0;
    size_t most = 0;
    for (size_t i = 0; i + 1 < counts->size(); i++) {
      sum += (*counts)[i].received;
      if ((*counts)[i].received > (*counts)[most].received) most = i;
    }
    for (size_t i = 0; i + 1 < counts->size() && sum; i++) {
      const double fraction = static_cast<double>((*counts)[i].received) / static_cast<double>(sum);
      const uint64_t piece = std::min(total - given, static_cast<uint64_t>(static_cast<double>(total) * fraction));
      (*counts)[i].*part = piece;
      given += piece;
    }
    (*counts)[most].*part += total - given;
  }

  void close_all_losses(RecordSink& sink) {
    if (losses_closed_) return;
    for (auto& buffers : buffers_) {
      for (auto& cursor : buffers->cursors()) {
        const uint64_t lost = buffers->stats(cursor->cpu()).lost;
        if (lost > cursor->missed())
          sink.on_lost({cursor->cpu(), cursor->last_time(), stopped_at_, lost - cursor->missed()});
      }
    }
    if (session_) close_losses(*session_, sink, &losses_closed_);
    losses_closed_ = true;
  }

  SlotTable table_;
  std::vector<uint64_t> received_;
  const std::vector<EventRequest> events_;
  const bool sampling_, steady_;
  std::vector<std::string> notes_;
  std::vector<std::unique_ptr<TraceBuffers>> buffers_;
  std::unique_ptr<PerfSession> session_;
  Waiter waiter_;
  std::vector<Cursor*> cursors_;
  Order order_;
  Nanos stopped_at_ = 0, last_drain_ = 0;
  uint64_t events_of_drain_ = 0;
  bool stopped_ = false, losses_closed_ = false;
};

}  // namespace

std::unique_ptr<Transport> open_trace_transport(const TransportSpec& spec, const std::string& tracefs) {
  if (tracefs.empty())
    throw Failure(Failure::kHost, "no tracefs is mounted; as root: mount -t tracefs nodev /sys/kernel/tracing");
  const OpeningNow opening;
  return std::make_unique<TraceTransport>(spec, tracefs);
}

}  // namespace ktop
