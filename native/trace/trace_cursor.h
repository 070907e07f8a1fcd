// One CPU's buffer of a trace instance as a source for the merge.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "page.h"
#include "perf/merge.h"
#include "tracing_frames.h"

namespace ktop {

// Where the kernel's own stack records keep their frames (ftrace:kernel_stack).
struct StackFormat {
  uint16_t type = 4;
  uint32_t count_offset = 8, frames_offset = 16;
};

// Where pages come from. The real one reads trace_pipe_raw; a test hands out pages of its own.
class PageSource {
 public:
  virtual ~PageSource() = default;
  virtual size_t read(uint8_t* page, size_t size) = 0;  // 0: nothing more now
};

class TraceCursor final : public Cursor {
 public:
  // With `stacks`, each event may be followed by its stack record. `tracing` may be null.
  TraceCursor(PageSource* source, size_t page_size, uint32_t cpu, const SlotTable* slots, bool stacks,
              StackFormat format, std::vector<uint64_t>* received, TracingFrames* tracing = nullptr);

  void refill() override;
  void run(RecordSink& sink, Nanos limit, Order& order) override;
  void release() override {}

  uint32_t cpu() const { return cpu_; }
  void start_at(Nanos now) { last_time_ = now; }
  Nanos last_time() const { return last_time_; }
  uint64_t missed() const { return missed_; }    // events that pages reported as overwritten
  uint64_t decoded() const { return decoded_; }  // records of any kind taken from pages
  uint64_t malformed() const { return malformed_; }

 private:
  struct Raw {
    Nanos time = 0;
    const uint8_t* data = nullptr;
    uint32_t size = 0;
    uint16_t type = 0, slot = kNoSlot;
    bool has_lost = false;
    LostWindow lost;
  };
  bool fetch(Raw* raw);  // the next record of any known kind
  void advance();
  void look_for_stack();
  void attach(const Raw& stack);

  PageSource* source_;
  std::vector<uint8_t> pages_[2];  // the record at hand may still be in the page before
  int active_ = 0;
  TracePage page_;
  uint32_t cpu_;
  const SlotTable* slots_;
  bool stacks_;
  StackFormat format_;
  std::vector<uint64_t>* received_;
  TracingFrames* tracing_;

  bool dry_ = true;
  Raw current_, ahead_;
  bool has_ahead_ = false, wants_stack_ = false;
  std::vector<uint64_t> frames_;
  bool loss_open_ = false;
  uint64_t loss_ = 0, missed_ = 0, decoded_ = 0, malformed_ = 0;
  Nanos last_time_ = 0;
};

}  // namespace ktop
