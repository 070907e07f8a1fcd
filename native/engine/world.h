// The machine the events come from, as far as operators ask for more than is in the events: this host, or another one
// that a file tells of. What cannot be known is empty, never taken from elsewhere.
#pragma once
#include <cstdint>
#include <string>

#include "symbols/symbols.h"

namespace ktop {

class World {
 public:
  virtual ~World() = default;
  // The events are of this host and of now: its /proc and /sys speak of the same things.
  virtual bool here() const = 0;
  virtual const Symbols& symbols() const = 0;
  // Name of the block device with the kernel's own number (12 bits major, 20 bits minor); "254:0" when not known.
  virtual std::string device(uint32_t dev) const = 0;
  // The function a sleeping task waits in; "" when not known.
  virtual std::string wait_channel(uint32_t tid) const = 0;

  static const World& this_host();
};

std::string device_number(uint32_t dev);

}  // namespace ktop
