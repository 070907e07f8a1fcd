// Which filesystem a path is on, as this process sees it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ktop {

class Mounts {
 public:
  struct Mount {
    std::string point, type, device;  // "/home", "ext4", "/dev/vda1"
  };
  // Reads the table anew when it has changed.
  void refresh();
  // The mount with the longest point that the path is under; empty texts for what is no path.
  const Mount& of(std::string_view path) const;
  // Takes the text of a mountinfo file.
  void parse(std::string_view text);

 private:
  std::string text_;
  std::vector<Mount> mounts_;  // longest point first, of equal ones the last mounted
};

}  // namespace ktop
