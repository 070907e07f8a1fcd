#include "taskstats.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/taskstats.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "files.h"

namespace ktop {
namespace {

// Visits the attributes in [data, data + size); stops at the first that does not fit.
template <typename F>
void attributes(const uint8_t* data, size_t size, F each) {
  while (size >= NLA_HDRLEN) {
    nlattr attr;
    std::memcpy(&attr, data, sizeof attr);
    if (attr.nla_len < NLA_HDRLEN || attr.nla_len > size) return;
    each(attr.nla_type & NLA_TYPE_MASK, data + NLA_HDRLEN, static_cast<size_t>(attr.nla_len) - NLA_HDRLEN);
    const size_t step = NLA_ALIGN(attr.nla_len);
    if (step >= size) return;
    data += step;
    size -= step;
  }
}

std::string cpu_range() {
  std::string mask = slurp("/sys/devices/system/cpu/possible");
  while (!mask.empty() && mask.back() == '\n') mask.pop_back();
  return mask.empty() ? "0" : mask;
}

}  // namespace

TaskstatsListener::TaskstatsListener() {
  why_ = connect();
  if (why_.empty() || fd_ < 0) return;
  close(fd_);
  fd_ = -1;
}

std::string TaskstatsListener::connect() {
  fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
  if (fd_ < 0) return std::strerror(errno);
  const int room = 16 << 20;
  if (setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  timeval patience{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (!request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, std::string(TASKSTATS_GENL_NAME) + '\0'))
    return std::strerror(errno);
  alignas(8) uint8_t buffer[4096];
  const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
  const size_t head = NLMSG_HDRLEN + GENL_HDRLEN;
  if (got < static_cast<ssize_t>(head)) return "no answer";
  attributes(buffer + head, static_cast<size_t>(got) - head, [this](uint16_t type, const uint8_t* data, size_t size) {
    if (type == CTRL_ATTR_FAMILY_ID && size >= 2) std::memcpy(&family_, data, 2);
  });
  if (family_ == 0) return "the kernel has no taskstats";
  if (!request(family_, TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, cpu_range() + '\0'))
    return std::strerror(errno);
  // A refusal comes back as an error message with the errno; an acceptance as the same with 0.
  const ssize_t answer = recv(fd_, buffer, sizeof buffer, 0);
  nlmsgerr error{};
  if (answer >= static_cast<ssize_t>(NLMSG_HDRLEN + sizeof error)) {
    nlmsghdr header;
    std::memcpy(&header, buffer, sizeof header);
    std::memcpy(&error, buffer + NLMSG_HDRLEN, sizeof error);
    if (header.nlmsg_type == NLMSG_ERROR && error.error != 0) return std::strerror(-error.error);
  }
  return {};
}

TaskstatsListener::~TaskstatsListener() {
  if (fd_ >= 0) close(fd_);  // the kernel drops the registration with the socket
}

bool TaskstatsListener::request(uint16_t type, uint8_t command, uint16_t attribute, const std::string& value) {
  alignas(8) uint8_t buffer[512] = {};
  nlmsghdr header{};
  genlmsghdr general{};
  nlattr attr{};
  const size_t size = NLMSG_HDRLEN + GENL_HDRLEN + NLA_ALIGN(NLA_HDRLEN + value.size());
  if (size > sizeof buffer) return false;
  header.nlmsg_len = static_cast<uint32_t>(size);
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | (type == GENL_ID_CTRL ? 0 : NLM_F_ACK));
  general.cmd = command;
  general.version = 1;
  attr.nla_type = attribute;
  attr.nla_len = static_cast<uint16_t>(NLA_HDRLEN + value.size());
  std::memcpy(buffer, &header, sizeof header);
  std::memcpy(buffer + NLMSG_HDRLEN, &general, sizeof general);
  std::memcpy(buffer + NLMSG_HDRLEN + GENL_HDRLEN, &attr, sizeof attr);
  std::memcpy(buffer + NLMSG_HDRLEN + GENL_HDRLEN + NLA_HDRLEN, value.data(), value.size());
  return send(fd_, buffer, size, 0) == static_cast<ssize_t>(size);
}

bool TaskstatsListener::read(const std::function<void(const ExitRecord&)>& each) {
  bool whole = true;
  alignas(8) uint8_t buffer[16384];
  for (;;) {
    const ssize_t got = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) {
      whole = false;
      continue;
    }
    const size_t head = NLMSG_HDRLEN + GENL_HDRLEN;
    if (got < static_cast<ssize_t>(head)) return whole;
    attributes(buffer + head, static_cast<size_t>(got) - head, [&](uint16_t type, const uint8_t* data, size_t size) {
      if (type != TASKSTATS_TYPE_AGGR_PID) return;
      attributes(data, size, [&](uint16_t inner, const uint8_t* body, size_t length) {
        if (inner != TASKSTATS_TYPE_STATS) return;
        // Older kernels send a shorter struct: what is missing stays zero.
        taskstats stats{};
        std::memcpy(&stats, body, length < sizeof stats ? length : sizeof stats);
        ExitRecord record;
        record.tid = stats.ac_pid;
        record.pid = length >= offsetof(taskstats, ac_tgid) + 4 && stats.ac_tgid ? stats.ac_tgid : stats.ac_pid;
        record.ppid = stats.ac_ppid;
        record.uid = stats.ac_uid;
        record.comm.assign(stats.ac_comm, strnlen(stats.ac_comm, sizeof stats.ac_comm));
        record.read_bytes = stats.read_bytes;
        record.write_bytes = stats.write_bytes;
        record.cancelled = stats.cancelled_write_bytes;
        record.rchar = stats.read_char;
        record.wchar = stats.write_char;
        each(record);
      });
    });
  }
}

}  // namespace ktop
