#include "bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "perf/transport.h"

namespace ktop {

FileBytes::FileBytes(const std::string& path) {
  const auto fail = [&](const std::string& why) {
    if (fd_ >= 0) close(fd_);
    throw Failure(Failure::kInternal, "cannot read " + path + ": " + why);
  };
  // Not to hang at a FIFO that nobody writes to.
  fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) {
    const int error = errno;
    fail(std::string(strerror(error)) + (error == EACCES || error == EPERM ? "; run ktop as a user who may read it"
                                         : error == ENOENT                 ? "; give the path of a perf.data file"
                                                                           : ""));
  }
  struct stat st;
  if (fstat(fd_, &st) != 0) fail(strerror(errno));
  if (S_ISDIR(st.st_mode)) fail("it is a directory, as perf record --threads makes it; record without --threads");
  if (!S_ISREG(st.st_mode)) fail("it is no regular file; save what perf record -o - writes, then open that");
  size_ = static_cast<uint64_t>(st.st_size);
  changed_ = static_cast<uint64_t>(st.st_mtim.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(st.st_mtim.tv_nsec);
}

FileBytes::~FileBytes() { close(fd_); }

size_t FileBytes::read(uint64_t offset, void* to, size_t n) const {
  size_t done = 0;
  while (done < n) {
    const ssize_t got = pread(fd_, static_cast<char*>(to) + done, n - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

}  // namespace ktop
