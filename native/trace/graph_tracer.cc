#include "graph_tracer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "instance.h"
#include "text.h"
#include "tracefs.h"

namespace ktop {
namespace {

constexpr char kTracer[] = "function_graph";

bool has_word(const std::string& text, const std::string& word) {
  std::istringstream words(text);
  for (std::string each; words >> each;)
    if (each == word) return true;
  return false;
}

std::string setting(const std::string& path) { return setting_of(read_file(path)); }

// The top directory of tracefs. All that is written there is put back.
class GlobalTracing final : public TraceDirectory {
 public:
  GlobalTracing(const std::string& tracefs, SavedSettings* saved) : saved_(saved) { path_ = tracefs; }
  bool guarded() const override { return saved_->guarded(); }
  bool own() const override { return false; }
  bool try_write(const std::string& file, const std::string& text) const override { return saved_->set(file, text); }
  bool try_append(const std::string& file, const std::string& text) const override {
    return saved_->set(file, text, true);
  }

 private:
  SavedSettings* saved_;
};

// Somebody's work would be lost, or mixed with ours.
void refuse_if_used(const std::string& tracefs) {
  const auto refuse = [](const std::string& why) {
    throw Failure(Failure::kHost, "the kernel's only function tracer is in use: " + why +
                                      "; end that first (this kernel has no private one), or wait for it");
  };
  const std::string tracer = setting(tracefs + "/current_tracer");
  if (tracer != "nop") refuse("current_tracer is " + tracer);
  if (!setting(tracefs + "/set_ftrace_pid").empty()) refuse("set_ftrace_pid holds processes of another tool");
  // Their records would come to us, and be gone for whoever waits for them.
  if (!trim(read_file(tracefs + "/set_event")).empty()) refuse("events are enabled in " + tracefs);
}

std::vector<int> threads_of(int pid) {
  std::vector<int> tids;
  DIR* directory = opendir(("/proc/" + std::to_string(pid) + "/task").c_str());
  if (!directory) return tids;
  while (const dirent* entry = readdir(directory))
    if (is_digit(entry->d_name[0])) tids.push_back(atoi(entry->d_name));
  closedir(directory);
  return tids;
}

std::string list_of(const std::vector<int>& numbers) {
  std::string text;
  for (int number : numbers) text += std::to_string(number) + " ";
  return text + "\n";
}

}  // namespace

std::string why_no_graph(const std::string& tracefs) {
  if (tracefs.empty()) return "tracefs is not mounted, or not readable without root";
  std::string tracers;
  try {
    tracers = read_file(tracefs + "/available_tracers");
  } catch (const Failure& failure) {
    return failure.what();
  }
  if (!has_word(tracers, kTracer)) return "this kernel has no function_graph tracer (available_tracers)";
  // Listed is not allowed: a locked-down kernel refuses the filter.
  const int fd = open((tracefs + "/set_ftrace_filter").c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return "set_ftrace_filter cannot be opened: " + std::string(strerror(errno));
  close(fd);
  return "";
}

GraphTracer::GraphTracer(const std::string& tracefs, const GraphSpec& graph, std::vector<std::string>* notes)
    : tracefs_(tracefs), graph_(graph) {
  const std::string why = why_no_graph(tracefs);
  if (!why.empty()) throw Failure(Failure::kHost, why + "; run ktop as root, on a kernel with function_graph");
  choose();
  set_functions();
  set_tasks();
  set_globals();
  if (!directory_->own())
    notes->push_back(
        "this kernel has function_graph only once: its global tracer is borrowed, and put back at the end");
  if (!directory_->guarded())
    notes->push_back("no guardian could be started: after kill -9 start ktop once to clean up");
}

GraphTracer::~GraphTracer() {
  directory_.reset();
  saved_.reset();
}

void GraphTracer::choose() {
  auto instance = std::make_unique<TraceInstance>(tracefs_);
  instance->write("tracing_on", "0");
  // Where instances have it, it is selected for a moment with a filter that costs nothing.
  const bool filtered =
      instance->try_write("set_ftrace_filter", "schedule\n") || instance->try_write("set_ftrace_filter", "vfs_read\n");
  if (filtered && instance->try_write("current_tracer", kTracer)) {
    instance->write("current_tracer", "nop");
    instance->try_write("set_ftrace_filter", "\n");
    directory_ = std::move(instance);
    return;
  }
  instance.reset();
  refuse_if_used(tracefs_);
  saved_ = std::make_unique<SavedSettings>(tracefs_);
  directory_ = std::make_unique<GlobalTracing>(tracefs_, saved_.get());
  directory_->write("tracing_on", "0");
}

// These are everybody's, also where the tracer is our own.
void GraphTracer::set_globals() {
  if (graph_.subtrees.empty() && graph_.depth == 0 && graph_.than_us == 0) return;
  if (!saved_) {
    const std::string tracer = setting(tracefs_ + "/current_tracer");
    if (tracer != "nop")
      throw Failure(Failure::kHost, "-g, --depth and --than would change what the tracer of another tool (" + tracer +
                                        ") sees; end that first, or leave them out");
    saved_ = std::make_unique<SavedSettings>(tracefs_);
  }
  for (size_t i = 0; i < graph_.subtrees.size(); i++) {
    if (saved_->set("set_graph_function", graph_.subtrees[i] + "\n", i > 0)) continue;
    throw Failure(Failure::kUsage, "no function \"" + graph_.subtrees[i] +
                                       "\" can be traced; see available_filter_functions in " + tracefs_);
  }
  if (graph_.depth && !saved_->set("max_graph_depth", std::to_string(graph_.depth)))
    throw Failure(Failure::kHost, "this kernel has no max_graph_depth; leave --depth out");
  if (graph_.than_us && !saved_->set("tracing_thresh", std::to_string(graph_.than_us)))
    throw Failure(Failure::kHost, "this kernel has no tracing_thresh; leave --than out");
}

void GraphTracer::set_functions() {
  if (graph_.functions.empty()) {
    directory_->try_write("set_ftrace_filter", "\n");
    return;
  }
  for (size_t i = 0; i < graph_.functions.size(); i++) {
    const std::string line = graph_.functions[i] + "\n";
    if (i == 0 ? directory_->try_write("set_ftrace_filter", line) : directory_->try_append("set_ftrace_filter", line))
      continue;
    throw Failure(Failure::kUsage, "no function matches \"" + graph_.functions[i] +
                                       "\"; see available_filter_functions in " + tracefs_ +
                                       " (inlined functions and modules that are not loaded are not in it)");
  }
}

void GraphTracer::set_tasks() {
  std::vector<int> tids;
  for (int pid : graph_.pids)
    for (int tid : threads_of(pid)) tids.push_back(tid);
  if (!graph_.pids.empty() && tids.empty())
    throw Failure(Failure::kUsage,
                  "no process " + std::to_string(graph_.pids[0]) + "; give the number of one that lives");
  // What reading the buffers calls would fill them.
  const std::vector<int> own = threads_of(getpid());
  if (tids.empty())
    directory_->try_write("set_ftrace_notrace_pid", list_of(own));
  else
    directory_->write("set_ftrace_pid", list_of(tids));
  directory_->write("options/function-fork", "1");
}

void GraphTracer::select() {
  if (directory_->try_write("current_tracer", kTracer)) return;
  throw Failure(Failure::kHost, "the function_graph tracer cannot be selected in " + directory_->path() + ": " +
                                    strerror(errno) + (errno == EBUSY ? "; end who reads trace_pipe there" : ""));
}

}  // namespace ktop
