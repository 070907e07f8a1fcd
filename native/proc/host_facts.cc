#include "host_facts.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "perf/event_fd.h"
#include "taskstats.h"

namespace ktop {
namespace {

// The smallest program there is, of the kind that tracing tools load: "return 0".
std::string try_bpf() {
  bpf_insn program[2] = {};
  program[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  program[1].code = BPF_JMP | BPF_EXIT;
  static const char kLicence[] = "GPL";
  bpf_attr attr = {};
  attr.prog_type = BPF_PROG_TYPE_TRACEPOINT;
  attr.insns = reinterpret_cast<uint64_t>(program);
  attr.insn_cnt = 2;
  attr.license = reinterpret_cast<uint64_t>(kLicence);
  const long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
  if (fd < 0) return strerror(errno);
  close(static_cast<int>(fd));
  return {};
}

std::string try_format_lost() {
  perf_event_attr attr = side_band_attr(false);
  attr.read_format = kFormatLost;
  const int fd = try_open_event(&attr, 0, -1);
  if (fd < 0) return strerror(-fd);
  close(fd);
  return {};
}

}  // namespace

HostFacts host_facts() {
  HostFacts facts;
  facts.taskstats = TaskstatsListener().why();
  facts.bpf = try_bpf();
  facts.format_lost = try_format_lost();
  return facts;
}

}  // namespace ktop
