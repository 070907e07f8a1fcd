// A private trace instance: a directory below tracefs that lives as long as this object.
#pragma once
#include <string>

#include "directory.h"

namespace ktop {

class TraceInstance final : public TraceDirectory {
 public:
  explicit TraceInstance(const std::string& tracefs);  // throws Failure(kHost)
  ~TraceInstance() override;                           // disables its events and removes it; may take 50 ms

  bool guarded() const override { return guarded_; }
  bool own() const override { return true; }

 private:
  bool guarded_ = false;
};

}  // namespace ktop
