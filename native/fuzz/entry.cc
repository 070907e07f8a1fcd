// libFuzzer's entry to one target: -DTARGET=format, ring, page or perfdata.
#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ktop_fuzz::TARGET(data, size);
  return 0;
}
