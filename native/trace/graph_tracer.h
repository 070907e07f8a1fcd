// The kernel's function_graph tracer: each call of the chosen functions as the events ftrace:funcgraph_entry and _exit.
// In an instance of our own where the kernel has it there (6.12), else by the global tracer, which is borrowed: refused
// when somebody else uses it, put back at the end.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "directory.h"
#include "perf/transport.h"
#include "saved_settings.h"

namespace ktop {

// "" when this kernel lets functions be traced, else why not.
std::string why_no_graph(const std::string& tracefs);

class GraphTracer {
 public:
  // Chooses the directory and sets it up, but for the tracer itself. Throws Failure: kUsage when no function matches.
  GraphTracer(const std::string& tracefs, const GraphSpec& graph, std::vector<std::string>* notes);
  ~GraphTracer();

  // Where the buffers are.
  const TraceDirectory& directory() const { return *directory_; }
  // Selects the tracer; no pipe may be open, and nothing flows before tracing_on.
  void select();

 private:
  void choose();
  void set_globals();
  void set_functions();
  void set_tasks();
  void add(const char* file, const std::string& text, bool append = true);

  const std::string tracefs_;
  const GraphSpec graph_;
  std::unique_ptr<SavedSettings> saved_;
  std::unique_ptr<TraceDirectory> directory_;
};

}  // namespace ktop
