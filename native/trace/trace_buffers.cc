#include "trace_buffers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "perf/event_fd.h"
#include "symbols/kallsyms.h"
#include "text.h"
#include "tracefs.h"

namespace ktop {
namespace {

constexpr unsigned kMostBufferKb = 4096, kLeastBufferKb = 256;
constexpr uint64_t kMostMemoryKb = 64 * 1024;  // of all CPUs together

class PipePages final : public PageSource {
 public:
  explicit PipePages(int fd) : fd_(fd) {}
  size_t read(uint8_t* page, size_t size) override {
    ssize_t n;
    do n = ::read(fd_, page, size);
    while (n < 0 && errno == EINTR);
    return n > 0 ? static_cast<size_t>(n) : 0;
  }

 private:
  int fd_;
};

uint64_t stat_of(std::string_view text, std::string_view key) {
  for (size_t at = text.find(key); at != text.npos; at = text.find(key, at + 1)) {
    if (at != 0 && text[at - 1] != '\n') continue;
    uint64_t v = 0;
    for (size_t i = at + key.size(); i < text.size() && text[i] != '\n'; i++)
      if (is_digit(text[i])) v = v * 10 + static_cast<uint64_t>(text[i] - '0');
    return v;
  }
  return 0;
}

std::string hex_mask(const std::vector<int>& cpus) {
  std::vector<uint32_t> words(static_cast<size_t>(cpus.back()) / 32 + 1);
  for (int cpu : cpus) words[static_cast<size_t>(cpu) / 32] |= 1u << (cpu % 32);
  std::string mask;
  char buffer[16];
  for (size_t i = words.size(); i-- > 0;) {
    snprintf(buffer, sizeof buffer, i ? "%08x," : "%08x", words[i]);
    mask += buffer;
  }
  return mask;
}

StackFormat load_stack_format(const std::string& tracefs) {
  StackFormat out;
  const EventFormat format = load_format(tracefs, "ftrace", "kernel_stack");
  const Field* size = format.find("size");
  const Field* caller = format.find("caller");
  if (!size || !caller)
    throw Failure(Failure::kHost, "this kernel's stack records are unknown; use perf, or no stacks");
  out.type = format.type;
  out.count_offset = size->offset;
  out.frames_offset = caller->offset;
  return out;
}

}  // namespace

TraceBuffers::TraceBuffers(const Setup& setup, std::vector<std::string>* notes) : stacks_(setup.stacks) {
  if (setup.graph)
    graph_ = std::make_unique<GraphTracer>(setup.tracefs, *setup.graph, notes);
  else
    instance_ = std::make_unique<TraceInstance>(setup.tracefs);
  const TraceDirectory& instance = directory();
  if (instance_ && !instance_->guarded())
    notes->push_back("no guardian could be started: after kill -9 remove " + path());
  instance.write("tracing_on", "0");
  instance.write("trace_clock", "mono");
  set_sizes(setup, notes);
  instance.try_write("options/overwrite", "1");  // pages then say how many events were lost, and where
  instance.try_write("options/record-cmd", "0");
  instance.try_write("options/markers", "0");
  instance.try_write("buffer_percent", "25");
  if (setup.stacks) instance.write("options/stacktrace", "1");
  if (!setup.all_cpus) instance.write("tracing_cpumask", hex_mask(setup.cpus));
  for (const EventRequest& event : setup.events) enable(event, setup.tracefs);
  if (graph_) graph_->select();
  try {
    open_pipes(setup);
  } catch (...) {
    for (int fd : fds_) close(fd);  // or the instance cannot be removed
    throw;
  }
}

TraceBuffers::~TraceBuffers() {
  for (int fd : fds_) close(fd);
}

void TraceBuffers::set_sizes(const Setup& setup, std::vector<std::string>* notes) {
  unsigned wanted = kMostBufferKb;
  while (wanted > kLeastBufferKb && wanted * setup.cpus.size() > kMostMemoryKb) wanted /= 2;
  unsigned kb = wanted;
  const auto set = [&](const std::string& file) {
    while (!directory().try_write(file, std::to_string(kb))) {
      if (errno != ENOMEM || kb <= kLeastBufferKb)
        throw Failure(Failure::kHost, "no trace buffers of " + std::to_string(kb) + " KB per CPU: " + strerror(errno) +
                                          "; free some memory");
      kb /= 2;
    }
  };
  if (setup.all_cpus) {
    set("buffer_size_kb");
  } else {
    directory().try_write("buffer_size_kb", "8");
    for (int cpu : setup.cpus) set("per_cpu/cpu" + std::to_string(cpu) + "/buffer_size_kb");
  }
  if (kb < wanted) notes->push_back("trace buffers of " + std::to_string(kb) + " KB per CPU: memory is short");
}

void TraceBuffers::enable(const EventRequest& event, const std::string& tracefs) {
  if (event.system == "ftrace") return;  // records of a tracer
  const std::string base = "events/" + event.system + "/" + event.name + "/";
  if (!event.filter.empty() && !directory().try_write(base + "filter", event.filter)) {
    std::string reason = strerror(errno);
    const std::string told = read_file(path() + "/" + base + "filter");  // "…^\nparse_error: Field not found"
    const size_t at = told.rfind("parse_error: ");
    if (at != told.npos) reason = std::string(trim(std::string_view(told).substr(at + 13)));
    throw Failure(Failure::kUsage, explain_filter(event, tracefs, reason));
  }
  if (directory().try_write(base + "enable", "1")) return;
  const int error = errno;
  throw Failure(Failure::kHost, "cannot enable " + event.system + ":" + event.name + " in a trace instance: " +
                                    strerror(error) + (error == EBUSY ? "; try again" : "; use perf"));
}

void TraceBuffers::set_on(const EventRequest& event, bool on) const {
  if (event.stack != stacks_ || event.system == "ftrace") return;
  directory().try_write("events/" + event.system + "/" + event.name + "/enable", on ? "1" : "0");
}

void TraceBuffers::open_pipes(const Setup& setup) {
  if (setup.stacks) Kallsyms::prefetch();  // for TracingFrames
  const StackFormat format = setup.stacks ? load_stack_format(setup.tracefs) : StackFormat();
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  try {
    page = std::max<size_t>(page, std::stoul(read_file(path() + "/buffer_subbuf_size_kb")) * 1024);
  } catch (const std::exception&) {  // before Linux 6.8 it is one page
  }
  for (int cpu : setup.cpus) {
    const std::string pipe = path() + "/per_cpu/cpu" + std::to_string(cpu) + "/trace_pipe_raw";
    const int fd = open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) throw Failure(Failure::kHost, "cannot open " + pipe + ": " + strerror(errno) + "; run ktop as root");
    fds_.push_back(fd);
    sources_.push_back(std::make_unique<PipePages>(fd));
    cursors_.push_back(std::make_unique<TraceCursor>(sources_.back().get(), page, static_cast<uint32_t>(cpu),
                                                     setup.slots, setup.stacks, format, setup.received, &tracing_));
  }
}

TraceBuffers::Stats TraceBuffers::stats(uint32_t cpu) const {
  Stats s;
  try {
    const std::string text = read_file(path() + "/per_cpu/cpu" + std::to_string(cpu) + "/stats");
    s.lost = stat_of(text, "overrun:") + stat_of(text, "commit overrun:") + stat_of(text, "dropped events:");
    s.written = stat_of(text, "entries:") + stat_of(text, "read events:");
  } catch (const Failure&) {  // the CPU went away
  }
  return s;
}

}  // namespace ktop
