// Polls that tell what the kernel itself says: its log, its watchdog.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "files.h"
#include "perf/cpus.h"
#include "poll.h"

namespace ktop {
namespace {

// Lines of /dev/kmsg written since the start that contain one of the texts.
class KernelLog final : public Poll {
 public:
  explicit KernelLog(const std::vector<std::string>& match) : match_(match) {
    fd_ = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd_ < 0)
      why_ = std::strerror(errno);
    else
      lseek(fd_, 0, SEEK_END);
  }
  ~KernelLog() override {
    if (fd_ >= 0) close(fd_);
  }

  void read(const std::string& name, SnapshotData& out, Tasks&) override {
    TableData table;
    table.name = name;
    ColumnData& at = table.number("at_ms");
    ColumnData& text = table.text("text");
    uint64_t missed = 0;
    char line[8192];
    for (ssize_t got; fd_ >= 0;) {
      got = ::read(fd_, line, sizeof line);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EPIPE) {  // the log went round: the oldest lines are gone
        missed++;
        continue;
      }
      if (got <= 0) break;
      // "6,1234,5678901,-;text\n KEY=value": priority, sequence, microseconds, flags.
      const std::string_view whole(line, static_cast<size_t>(got));
      const size_t semicolon = whole.find(';');
      if (semicolon == whole.npos) continue;
      const size_t end = whole.find('\n', semicolon);
      const std::string message(whole.substr(semicolon + 1, end == whole.npos ? end : end - semicolon - 1));
      bool wanted = match_.empty();
      for (const std::string& each : match_) wanted |= message.find(each) != std::string::npos;
      if (!wanted) continue;
      size_t comma = whole.find(',');
      comma = whole.find(',', comma + 1);
      at.add(comma == whole.npos ? kUnknown : std::strtod(line + comma + 1, nullptr) / 1000);
      text.add_text(message);
      table.length++;
    }
    if (!why_.empty())
      out.notes.push_back("the kernel log cannot be read: " + why_ + "; run as root, or with CAP_SYSLOG");
    if (missed) out.notes.push_back("the kernel log went round faster than it was read: lines are missing");
    out.tables.push_back(std::move(table));
  }

 private:
  const std::vector<std::string> match_;
  int fd_ = -1;
  std::string why_;
};

// One row per CPU that the kernel's watchdog should guard, with its settings.
class Watchdog final : public Poll {
 public:
  void read(const std::string& name, SnapshotData& out, Tasks&) override {
    const auto number = [](const char* path) {
      const std::string text = slurp(path);
      return text.empty() ? kUnknown : std::strtod(text.c_str(), nullptr);
    };
    const double on = number("/proc/sys/kernel/watchdog"), nmi = number("/proc/sys/kernel/nmi_watchdog");
    const double threshold = number("/proc/sys/kernel/watchdog_thresh");
    TableData table;
    table.name = name;
    table.key = {"cpu"};
    ColumnData& cpu = table.number("cpu");
    ColumnData& enabled = table.number("enabled");
    ColumnData& hard = table.number("nmi");
    ColumnData& limit = table.number("thresh_s");
    for (int each : parse_cpu_list(slurp("/proc/sys/kernel/watchdog_cpumask"))) {
      cpu.add(each);
      enabled.add(on);
      hard.add(nmi);
      limit.add(threshold);
      table.length++;
    }
    if (table.length == 0)
      out.notes.push_back("this kernel has no lockup watchdog (CONFIG_LOCKUP_DETECTOR)");
    else if (on == 0)
      out.notes.push_back("the watchdog is off (kernel.watchdog = 0): no CPU will report");
    out.tables.push_back(std::move(table));
  }
};

}  // namespace

std::unique_ptr<Poll> make_kernel_log(const std::vector<std::string>& match) {
  return std::make_unique<KernelLog>(match);
}
std::unique_ptr<Poll> make_watchdog() { return std::make_unique<Watchdog>(); }

}  // namespace ktop
