// The transport over perf rings.
#include <algorithm>

#include "accounting.h"
#include "closer.h"
#include "cpus.h"
#include "merge.h"
#include "session.h"
#include "transport.h"
#include "waiter.h"

namespace ktop {
namespace {

class PerfTransport final : public Transport {
 public:
  PerfTransport(const TransportSpec& spec, const std::string& tracefs) : session_(spec, tracefs, PerfSession::kSample) {
    for (const auto& ring : session_.rings()) cursors_.push_back(ring.get());
    for (int fd : session_.poll_fds()) waiter_.add(fd);
  }

  const char* name() const override { return "perf"; }
  void start() override { session_.enable(); }
  void pause() override { session_.pause(); }
  void resume() override { session_.resume(); }
  void set_on(uint16_t slot, bool on) override { session_.set_on(slot, on); }
  void wait(int timeout_ms) override { waiter_.wait(timeout_ms); }
  void wake() override { waiter_.wake(); }

  void drain(RecordSink& sink, bool all) override {
    const Nanos horizon = all ? kNever : drain_horizon();
    for (Cursor* cursor : cursors_) cursor->refill();
    merge(cursors_, horizon, sink, order_);
    for (Cursor* cursor : cursors_) cursor->release();
    if (all && session_.stopped()) close_losses(session_, sink, &losses_closed_);
  }

  std::vector<EventCounts> counts() override {
    const std::vector<KernelCount> kernel = session_.read_counts();
    std::vector<uint64_t> waiting(session_.slots());
    for (const auto& ring : session_.rings()) ring->count_waiting(waiting);
    uint64_t reported = 0;
    for (const auto& ring : session_.rings()) reported += ring->reported_lost();
    return account(kernel, session_.received(), waiting, session_.has_format_lost() ? nullptr : &reported);
  }

  std::vector<uint64_t> received() const override { return session_.received(); }
  uint64_t reported_lost() const override {
    uint64_t lost = 0;
    for (const auto& ring : session_.rings()) lost += ring->reported_lost();
    return lost;
  }

  uint64_t late() const override { return order_.late; }

  void stop() override {
    for (int fd : session_.poll_fds()) waiter_.remove(fd);
    session_.disable();
  }

  std::vector<std::string> notes() const override {
    std::vector<std::string> notes = session_.notes();
    add_fault_notes(session_, &notes);
    return notes;
  }

 private:
  PerfSession session_;
  Waiter waiter_;
  std::vector<Cursor*> cursors_;
  Order order_;
  bool losses_closed_ = false;
};

}  // namespace

std::unique_ptr<Transport> open_perf_transport(const TransportSpec& spec, const std::string& tracefs) {
  const OpeningNow opening;
  return std::make_unique<PerfTransport>(spec, tracefs);
}

}  // namespace ktop
