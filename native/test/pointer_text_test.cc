// Addresses of the kernel: hidden, the same name for the same one; those of programs as they are.
#include "symbols/pointer_text.h"

#include "test/check.h"

using namespace ktop;

TEST(pointers_of_the_kernel_are_hidden_when_asked) {
  constexpr uint64_t kKernel = 0xffff888012345678, kUser = 0x7f0012345678;
  CHECK_EQ(pointer_text(kKernel), "0xffff888012345678");
  hide_pointers(true);
  const std::string hidden = pointer_text(kKernel);
  CHECK_EQ(hidden.substr(0, 4), "ptr_");
  CHECK_EQ(hidden.size(), size_t{12});
  CHECK_EQ(pointer_text(kKernel), hidden);  // events of one object are still seen to be so
  CHECK(pointer_text(kKernel + 8) != hidden);
  CHECK_EQ(pointer_text(kUser), "0x7f0012345678");
  CHECK_EQ(pointer_text(0), "0x0");
  hide_pointers(false);
  CHECK_EQ(pointer_text(kKernel), "0xffff888012345678");
}
