#include "proc/mounts.h"

#include <algorithm>

#include "proc/files.h"

namespace ktop {
namespace {

// "\040" → ' '
std::string plain(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    const auto octal = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string_view take_word(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

}  // namespace

void Mounts::refresh() {
  std::string text = slurp_whole("/proc/self/mountinfo");
  if (text == text_) return;
  text_ = std::move(text);
  parse(text_);
}

// "29 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw"
void Mounts::parse(std::string_view text) {
  mounts_.clear();
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    for (int i = 0; i < 4; i++) take_word(line);
    Mount mount;
    mount.point = plain(take_word(line));
    const size_t dash = line.find(" - ");
    if (mount.point.empty() || dash == line.npos) continue;
    line.remove_prefix(dash + 3);
    mount.type = plain(take_word(line));
    mount.device = plain(take_word(line));
    mounts_.insert(mounts_.begin(), std::move(mount));
  }
  std::stable_sort(mounts_.begin(), mounts_.end(),
                   [](const Mount& a, const Mount& b) { return a.point.size() > b.point.size(); });
}

const Mounts::Mount& Mounts::of(std::string_view path) const {
  static const Mount none;
  if (path.empty() || path[0] != '/') return none;
  for (const Mount& mount : mounts_) {
    const std::string& point = mount.point;
    if (path.compare(0, point.size(), point) != 0) continue;
    if (point == "/" || path.size() == point.size() || path[point.size()] == '/') return mount;
  }
  return none;
}

}  // namespace ktop
