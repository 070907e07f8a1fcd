// A kernel filter, such as `prev_state==1 && prev_comm~"w*"`, evaluated here: for records that the kernel has let
// through long ago. Same language and same meaning as of events/*/*/filter (kernel/trace/trace_events_filter.c).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format.h"
#include "symbols/symbols.h"

namespace ktop {

class EventFilter {
 public:
  // Throws Failure(kUsage): what is wrong with the filter, or what of it only a kernel can do.
  static EventFilter compile(const std::string& text, const EventFormat& format, const Symbols& symbols);

  // `comm` is the name of the task that ran then, asked for only where the filter needs it.
  template <typename Comm>
  bool passes(const uint8_t* raw, uint32_t size, uint32_t cpu, Comm comm) const {
    return holds(root_, {raw, size, cpu, needs_comm_ ? comm() : std::string_view()});
  }

 private:
  friend class FilterParser;
  enum Kind : uint8_t { kAnd, kOr, kNot, kNumber, kText, kCpu, kComm, kFunction, kCpus };
  enum Op : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kBand, kGlob };
  struct Node {
    Kind kind = kAnd;
    Op op = kEq;
    int a = -1, b = -1;  // children
    Field field;
    int64_t value = 0;
    std::string text;
    std::vector<bool> cpus;
  };
  struct Event {
    const uint8_t* raw;
    uint32_t size, cpu;
    std::string_view comm;
  };
  bool holds(int node, const Event& event) const;
  static bool compares(const Node& node, int64_t value, bool is_signed);
  static bool matches(const Node& node, std::string_view text);

  std::vector<Node> nodes_;
  int root_ = -1;
  bool needs_comm_ = false;
  const Symbols* symbols_ = nullptr;
};

// As the kernel's glob_match(): * ? [a-z] [!a-z] and \ before any of them.
bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace ktop
