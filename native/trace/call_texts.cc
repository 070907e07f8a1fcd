#include "call_texts.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "perf/closer.h"
#include "perf/cpus.h"
#include "perf/event_fd.h"
#include "tracefs.h"

namespace ktop {
namespace {

constexpr int kCalls = 512;              // numbers below this
constexpr int kText = 512, kHead = 16;   // bytes of a text, its NUL included; of what stands before it
constexpr uint32_t kNotLate = 1u << 16;  // in `where`: at its end the caller's memory is another program's
constexpr int kTexts = 2;                // of one call

long bpf(int command, bpf_attr* attr) { return syscall(SYS_bpf, command, attr, sizeof *attr); }

int make_map(uint32_t type, uint32_t key, uint32_t value, uint32_t entries) {
  bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.map_type = type;
  attr.key_size = key;
  attr.value_size = value;
  attr.max_entries = entries;
  const long fd = bpf(BPF_MAP_CREATE, &attr);
  if (fd < 0) throw Failure(Failure::kHost, std::string("BPF is refused: ") + strerror(errno));
  return static_cast<int>(fd);
}

void put(int map, const void* key, const void* value) {
  bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = reinterpret_cast<uint64_t>(key);
  attr.value = reinterpret_cast<uint64_t>(value);
  if (bpf(BPF_MAP_UPDATE_ELEM, &attr) != 0)
    throw Failure(Failure::kHost, std::string("BPF is refused: ") + strerror(errno));
}

// Instructions with jumps to places that come later.
class Program {
 public:
  using Label = size_t;
  enum Register : uint8_t { r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, frame };

  Label label() {
    jumps_.emplace_back();
    return jumps_.size() - 1;
  }
  void place(Label label) {
    for (size_t at : jumps_[label]) code_[at].off = static_cast<int16_t>(code_.size() - at - 1);
  }
  void move(Register to, Register from) { add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
  void set(Register to, int32_t value) { add(BPF_ALU64 | BPF_MOV | BPF_K, to, r0, 0, value); }
  void set32(Register to, uint32_t value) { add(BPF_ALU | BPF_MOV | BPF_K, to, r0, 0, static_cast<int32_t>(value)); }
  void math(uint8_t op, Register to, int32_t value) {
    add(static_cast<uint8_t>(BPF_ALU64 | op | BPF_K), to, r0, 0, value);
  }
  void load(uint8_t size, Register to, Register from, int16_t offset) {
    add(static_cast<uint8_t>(BPF_LDX | BPF_MEM | size), to, from, offset, 0);
  }
  void store(uint8_t size, Register to, int16_t offset, Register from) {
    add(static_cast<uint8_t>(BPF_STX | BPF_MEM | size), to, from, offset, 0);
  }
  void store_value(uint8_t size, Register to, int16_t offset, int32_t value) {
    add(static_cast<uint8_t>(BPF_ST | BPF_MEM | size), to, r0, offset, value);
  }
  void load_map(Register to, int fd) {
    add(BPF_LD | BPF_DW | BPF_IMM, to, static_cast<Register>(BPF_PSEUDO_MAP_FD), 0, fd);
    add(0, r0, r0, 0, 0);
  }
  void address(Register to, Register base, int32_t offset) {
    move(to, base);
    math(BPF_ADD, to, offset);
  }
  void call(int function) { add(BPF_JMP | BPF_CALL, r0, r0, 0, function); }
  // To `label` when `reg` compares so with `value`.
  void jump_if(uint8_t op, Register reg, int32_t value, Label label) {
    jumps_[label].push_back(code_.size());
    add(static_cast<uint8_t>(BPF_JMP | op | BPF_K), reg, r0, 0, value);
  }
  void jump(Label label) {
    jumps_[label].push_back(code_.size());
    add(BPF_JMP | BPF_JA, r0, r0, 0, 0);
  }
  void end() { add(BPF_JMP | BPF_EXIT, r0, r0, 0, 0); }

  int load_into_kernel(const char* name) const {
    bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_TRACEPOINT;
    attr.insns = reinterpret_cast<uint64_t>(code_.data());
    attr.insn_cnt = static_cast<uint32_t>(code_.size());
    attr.license = reinterpret_cast<uint64_t>("GPL");  // the helpers it calls ask for it
    strncpy(attr.prog_name, name, sizeof attr.prog_name - 1);
    const long fd = bpf(BPF_PROG_LOAD, &attr);
    if (fd < 0) throw Failure(Failure::kHost, std::string("BPF is refused: ") + strerror(errno));
    return static_cast<int>(fd);
  }

 private:
  void add(uint8_t code, Register to, Register from, int16_t offset, int32_t value) {
    bpf_insn insn;
    memset(&insn, 0, sizeof insn);
    insn.code = code;
    insn.dst_reg = to & 0xf;
    insn.src_reg = from & 0xf;
    insn.off = offset;
    insn.imm = value;
    code_.push_back(insn);
  }
  std::vector<bpf_insn> code_;
  std::vector<std::vector<size_t>> jumps_;  // by label: instructions that go there
};

using P = Program;

// Offsets in the record that is sent: common_type, flags, preempt count, pid; call, index, late, text.
constexpr int16_t kTid = 4, kCall = 8, kIndex = 10, kLate = 11, kWhere = 12;
// Offsets in the programs' frames.
constexpr int16_t kNumber = -4, kZero = -8, kPendingKey = -16, kAddress = -32, kArgument = -24;

// r9 = thread (and process), r8 = where; leaves for `out` with calls that have no texts, and with our own.
void begin(Program& p, P::Label out, int where) {
  p.move(P::r6, P::r1);
  p.load(BPF_DW, P::r1, P::r6, 8);
  p.jump_if(BPF_JGE, P::r1, kCalls, out);
  p.store(BPF_W, P::frame, kNumber, P::r1);
  p.address(P::r2, P::frame, kNumber);
  p.load_map(P::r1, where);
  p.call(BPF_FUNC_map_lookup_elem);
  p.jump_if(BPF_JEQ, P::r0, 0, out);
  p.load(BPF_W, P::r8, P::r0, 0);
  p.jump_if(BPF_JEQ, P::r8, 0, out);
  p.call(BPF_FUNC_get_current_pid_tgid);
  p.move(P::r9, P::r0);
  p.math(BPF_RSH, P::r0, 32);
  p.jump_if(BPF_JEQ, P::r0, static_cast<int32_t>(getpid()), out);
}

// r7 = a record to fill, with all but index and text.
void prepare(Program& p, P::Label out, int scratch, bool late) {
  p.store_value(BPF_W, P::frame, kZero, 0);
  p.address(P::r2, P::frame, kZero);
  p.load_map(P::r1, scratch);
  p.call(BPF_FUNC_map_lookup_elem);
  p.jump_if(BPF_JEQ, P::r0, 0, out);
  p.move(P::r7, P::r0);
  p.store_value(BPF_W, P::r7, 0, CallTexts::kType);
  p.store(BPF_W, P::r7, kTid, P::r9);
  p.load(BPF_W, P::r1, P::frame, kNumber);
  p.store(BPF_H, P::r7, kCall, P::r1);
  p.store_value(BPF_B, P::r7, kLate, late);
}

// The text at kAddress, of argument kArgument; jumps to `failed` when it is not in memory.
void send(Program& p, P::Label failed, P::Label sent, int events) {
  p.load(BPF_DW, P::r1, P::frame, kArgument);
  p.store(BPF_B, P::r7, kIndex, P::r1);
  p.address(P::r1, P::r7, kHead);
  p.set(P::r2, kText);
  p.load(BPF_DW, P::r3, P::frame, kAddress);
  p.call(BPF_FUNC_probe_read_user_str);
  p.jump_if(BPF_JSLE, P::r0, 0, failed);
  p.jump_if(BPF_JGT, P::r0, kText, failed);
  p.move(P::r5, P::r0);
  p.math(BPF_LSH, P::r0, 16);
  p.math(BPF_OR, P::r0, kHead);
  p.store(BPF_W, P::r7, kWhere, P::r0);
  p.math(BPF_ADD, P::r5, kHead);
  p.move(P::r1, P::r6);
  p.load_map(P::r2, events);
  p.set32(P::r3, static_cast<uint32_t>(BPF_F_CURRENT_CPU));
  p.move(P::r4, P::r7);
  p.call(BPF_FUNC_perf_event_output);
  p.jump(sent);
}

// Under which the k-th text of the thread's call waits for its end.
void pending_key(Program& p, int k) {
  p.move(P::r1, P::r9);
  p.math(BPF_LSH, P::r1, 32);
  p.math(BPF_RSH, P::r1, 31);
  p.math(BPF_OR, P::r1, k);
  p.store(BPF_DW, P::frame, kPendingKey, P::r1);
}

// A program that returned 0 would hide the event from everybody else who samples it.
void leave(Program& p, P::Label out) {
  p.place(out);
  p.set(P::r0, 1);
  p.end();
}

}  // namespace

const char* CallTexts::format() {
  return "name: call_text\nID: 65520\nformat:\n"
         "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
         "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
         "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
         "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
         "\tfield:unsigned short call;\toffset:8;\tsize:2;\tsigned:0;\n"
         "\tfield:unsigned char index;\toffset:10;\tsize:1;\tsigned:0;\n"
         "\tfield:unsigned char late;\toffset:11;\tsize:1;\tsigned:0;\n"
         "\tfield:__data_loc char[] text;\toffset:12;\tsize:4;\tsigned:0;\n\n"
         "print fmt: \"call=%u text=%s\", REC->call, __get_str(text)\n";
}

CallTexts::CallTexts(const std::string& tracefs, const std::vector<std::pair<int64_t, std::string>>& calls)
    : tracefs_(tracefs) {
  try {
    fill(calls);
  } catch (...) {
    for (int fd : {where_, scratch_, pending_, events_, enter_, exit_})
      if (fd >= 0) close(fd);
    throw;
  }
}

void CallTexts::fill(const std::vector<std::pair<int64_t, std::string>>& calls) {
  // Before Linux 5.11 maps count as locked memory.
  rlimit limit;
  if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur < (64u << 20)) {
    limit.rlim_cur = 64u << 20;
    limit.rlim_max = std::max(limit.rlim_max, limit.rlim_cur);
    setrlimit(RLIMIT_MEMLOCK, &limit);
  }
  where_ = make_map(BPF_MAP_TYPE_ARRAY, 4, 4, kCalls);
  scratch_ = make_map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, kHead + kText, 1);
  pending_ = make_map(BPF_MAP_TYPE_LRU_HASH, 8, 16, 16384);
  events_ = make_map(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, static_cast<uint32_t>(online_cpus().back()) + 1);
  for (auto& [number, letters] : calls) {
    if (number < 0 || number >= kCalls) continue;
    uint32_t where = 0;
    int found = 0;
    for (size_t i = 0; i < letters.size() && i < 6 && found < kTexts; i++)
      if (letters[i] == 's') where |= static_cast<uint32_t>(i + 1) << (8 * found++);
    // execve, execveat
    if (number == SYS_execve || number == SYS_execveat) where |= kNotLate;
    const uint32_t key = static_cast<uint32_t>(number);
    put(where_, &key, &where);
  }
  Program enter;
  const P::Label enter_out = enter.label();
  begin(enter, enter_out, where_);
  prepare(enter, enter_out, scratch_, false);
  for (int k = 0; k < kTexts; k++) {
    const P::Label next = enter.label(), failed = enter.label();
    enter.move(P::r1, P::r8);
    enter.math(BPF_RSH, P::r1, 8 * k);
    enter.math(BPF_AND, P::r1, 0xff);
    enter.jump_if(BPF_JEQ, P::r1, 0, next);
    enter.math(BPF_SUB, P::r1, 1);
    enter.store(BPF_DW, P::frame, kArgument, P::r1);
    enter.set(P::r3, 0);
    for (int16_t i = 0; i < 6; i++) {
      const P::Label other = enter.label();
      enter.jump_if(BPF_JNE, P::r1, i, other);
      enter.load(BPF_DW, P::r3, P::r6, static_cast<int16_t>(16 + 8 * i));
      enter.place(other);
    }
    enter.jump_if(BPF_JEQ, P::r3, 0, next);
    enter.store(BPF_DW, P::frame, kAddress, P::r3);
    send(enter, failed, next, events_);
    enter.place(failed);
    enter.move(P::r1, P::r8);
    enter.math(BPF_AND, P::r1, static_cast<int32_t>(kNotLate));
    enter.jump_if(BPF_JNE, P::r1, 0, next);
    pending_key(enter, k);
    enter.load_map(P::r1, pending_);
    enter.address(P::r2, P::frame, kPendingKey);
    enter.address(P::r3, P::frame, kAddress);
    enter.set(P::r4, BPF_ANY);
    enter.call(BPF_FUNC_map_update_elem);
    enter.place(next);
  }
  leave(enter, enter_out);
  enter_ = enter.load_into_kernel("ktop_enter");

  Program exit;
  const P::Label exit_out = exit.label();
  begin(exit, exit_out, where_);
  for (int k = 0; k < kTexts; k++) {
    const P::Label next = exit.label();
    pending_key(exit, k);
    exit.load_map(P::r1, pending_);
    exit.address(P::r2, P::frame, kPendingKey);
    exit.call(BPF_FUNC_map_lookup_elem);
    exit.jump_if(BPF_JEQ, P::r0, 0, next);
    exit.load(BPF_DW, P::r1, P::r0, 0);
    exit.store(BPF_DW, P::frame, kAddress, P::r1);
    exit.load(BPF_DW, P::r1, P::r0, 8);
    exit.store(BPF_DW, P::frame, kArgument, P::r1);
    exit.load_map(P::r1, pending_);
    exit.address(P::r2, P::frame, kPendingKey);
    exit.call(BPF_FUNC_map_delete_elem);
    prepare(exit, exit_out, scratch_, true);
    send(exit, next, next, events_);
    exit.place(next);
  }
  leave(exit, exit_out);
  exit_ = exit.load_into_kernel("ktop_exit");
}

CallTexts::~CallTexts() {
  ClosingWork work;
  for (int fd : attached_) ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
  work.fds = attached_;
  for (int fd : {enter_, exit_, where_, scratch_, pending_, events_}) work.fds.push_back(fd);
  close_later(std::move(work));
}

void CallTexts::send_to(int cpu, int event_fd) const {
  const uint32_t key = static_cast<uint32_t>(cpu);
  put(events_, &key, &event_fd);
}

void CallTexts::attach() {
  if (!attached_.empty()) return;
  for (auto& [name, program] : {std::pair<const char*, int>{"sys_enter", enter_}, {"sys_exit", exit_}}) {
    perf_event_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.size = sizeof attr;
    attr.type = PERF_TYPE_TRACEPOINT;
    attr.config = load_format(tracefs_, "raw_syscalls", name).type;
    // The CPU does not matter: a program on a tracepoint runs on all.
    const int fd = try_open_event(&attr, online_cpus().at(0), -1);
    if (fd < 0) fail_open(-fd, std::string("raw_syscalls:") + name);
    attached_.push_back(fd);
    if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) != 0 || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) != 0)
      throw Failure(Failure::kHost, std::string("no BPF program on raw_syscalls:") + name + ": " + strerror(errno));
  }
}

}  // namespace ktop
