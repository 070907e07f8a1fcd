#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "perf/transport.h"

namespace ktop {

bool write_whole(const std::string& path, const std::string& text, bool append) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC | (append ? O_APPEND : O_TRUNC));
  if (fd < 0) return false;
  size_t done = 0;
  int error = 0;
  while (done < text.size() && error == 0) {  // lists of functions are taken one word at a time
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n > 0)
      done += static_cast<size_t>(n);
    else if (n == 0)
      error = EIO;
    else if (errno != EINTR)
      error = errno;
  }
  close(fd);
  errno = error;
  return error == 0;
}

bool TraceDirectory::try_write(const std::string& file, const std::string& text) const {
  return write_whole(path_ + "/" + file, text, false);
}

bool TraceDirectory::try_append(const std::string& file, const std::string& text) const {
  return write_whole(path_ + "/" + file, text, true);
}

void TraceDirectory::write(const std::string& file, const std::string& text) const {
  if (try_write(file, text)) return;
  throw Failure(Failure::kHost, "cannot write \"" + text + "\" to " + path_ + "/" + file + ": " + strerror(errno) +
                                    "; this kernel's tracing does not serve, use perf");
}

}  // namespace ktop
