#include "files.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

namespace ktop {

namespace {

std::string slurp_up_to(const char* path, size_t most) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text;
  char buffer[8192];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof buffer)) > 0 && text.size() < most)
    text.append(buffer, static_cast<size_t>(got));
  close(fd);
  return text;
}

}  // namespace

std::string slurp(const char* path) { return slurp_up_to(path, 65536); }
std::string slurp_whole(const char* path) { return slurp_up_to(path, 16u << 20); }

int64_t number_after(std::string_view text, std::string_view name, int64_t missing) {
  for (size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    if (at != 0 && text[at - 1] != '\n') continue;
    size_t i = at + name.size();
    while (i < text.size() && (text[i] == ' ' || text[i] == '\t')) i++;
    return std::strtoll(std::string(text.substr(i, 24)).c_str(), nullptr, 10);
  }
  return missing;
}

uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000ull + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace ktop
