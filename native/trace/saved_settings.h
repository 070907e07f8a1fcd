// Settings of tracing that are everybody's: saved before the first change, put back in reverse order at the end. A
// journal of how they were stands in /run for the guardian, and for the next start should the guardian be killed as
// well.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace ktop {

// What to write to a setting to have it again as its file reads now: "[local] global …" → "local",
// "7 (expanded: 1408)" → "1408", "#### all functions enabled ####" → "", "no pid" → "".
std::string setting_of(const std::string& text);

class SavedSettings {
 public:
  explicit SavedSettings(const std::string& tracefs);
  ~SavedSettings();
  SavedSettings(const SavedSettings&) = delete;
  SavedSettings& operator=(const SavedSettings&) = delete;

  bool guarded() const { return guarded_; }
  // Saves what the file below tracefs holds, once, and writes. False: errno tells.
  bool set(const std::string& file, const std::string& text, bool append = false);

 private:
  void save(const std::string& file);
  bool put_back();

  const std::string tracefs_;
  std::string journal_;
  bool guarded_ = false;
  std::vector<std::pair<std::string, std::string>> before_;  // the last one changed comes last
};

// Puts back what journals tell of whose process is gone.
void sweep_saved_settings(const std::string& tracefs);

}  // namespace ktop
