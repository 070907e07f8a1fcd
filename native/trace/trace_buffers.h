// A trace instance set up for some events, with one reader per CPU.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "graph_tracer.h"
#include "instance.h"
#include "perf/transport.h"
#include "trace_cursor.h"

namespace ktop {

class TraceBuffers {
 public:
  struct Setup {
    std::string tracefs;
    std::vector<EventRequest> events;
    const GraphSpec* graph = nullptr;  // function_graph, in this directory or the global one
    bool stacks = false;               // each event with its kernel stack: an option that holds for a whole instance
    std::vector<int> cpus;             // to read from
    bool all_cpus = true;
    const SlotTable* slots = nullptr;
    std::vector<uint64_t>* received = nullptr;
  };
  // Nothing flows before on(). Throws Failure; `notes` is added to.
  TraceBuffers(const Setup& setup, std::vector<std::string>* notes);
  ~TraceBuffers();  // removes the instance; takes tens of milliseconds
  TraceBuffers(const TraceBuffers&) = delete;
  TraceBuffers& operator=(const TraceBuffers&) = delete;

  void on() const { directory().write("tracing_on", "1"); }
  void off() const { directory().try_write("tracing_on", "0"); }
  // One of its events; others are ignored.
  void set_on(const EventRequest& event, bool on) const;
  const std::string& path() const { return directory().path(); }
  bool own() const { return directory().own(); }  // an instance of our own
  const std::vector<int>& fds() const { return fds_; }
  const std::vector<std::unique_ptr<TraceCursor>>& cursors() const { return cursors_; }

  // The kernel's own figures, per_cpu/cpuN/stats.
  struct Stats {
    uint64_t lost = 0;     // overwritten, or without room to nest in
    uint64_t written = 0;  // read or still to be read
  };
  Stats stats(uint32_t cpu) const;

 private:
  void set_sizes(const Setup& setup, std::vector<std::string>* notes);
  void enable(const EventRequest& event, const std::string& tracefs);
  void open_pipes(const Setup& setup);

  const TraceDirectory& directory() const { return graph_ ? graph_->directory() : *instance_; }

  bool stacks_;
  std::unique_ptr<TraceInstance> instance_;
  std::unique_ptr<GraphTracer> graph_;
  TracingFrames tracing_;
  std::vector<int> fds_;
  std::vector<std::unique_ptr<PageSource>> sources_;
  std::vector<std::unique_ptr<TraceCursor>> cursors_;
};

}  // namespace ktop
