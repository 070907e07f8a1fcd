// A directory of tracefs that events and tracers are written into: an instance of our own, or the kernel's global one.
#pragma once
#include <string>

namespace ktop {

class TraceDirectory {
 public:
  virtual ~TraceDirectory() = default;
  TraceDirectory() = default;
  TraceDirectory(const TraceDirectory&) = delete;
  TraceDirectory& operator=(const TraceDirectory&) = delete;

  const std::string& path() const { return path_; }
  virtual bool guarded() const = 0;                                                // put right after a kill -9
  virtual bool own() const = 0;                                                    // nobody else uses it
  virtual bool try_write(const std::string& file, const std::string& text) const;  // false: errno tells
  virtual bool try_append(const std::string& file, const std::string& text) const;
  void write(const std::string& file, const std::string& text) const;  // throws Failure(kHost)

 protected:
  std::string path_;
};

// Writes all of `text`, in as many pieces as the kernel takes; false: errno tells.
bool write_whole(const std::string& path, const std::string& text, bool append);

}  // namespace ktop
