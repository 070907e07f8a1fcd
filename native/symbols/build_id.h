// The build id of a kernel: which build of it this is.
#pragma once
#include <string>
#include <string_view>

namespace ktop {

// Of the kernel that runs here (/sys/kernel/notes), its bytes; "" when it has none.
std::string this_kernel_build_id();
// The GNU build id in a section of ELF notes; "" when there is none.
std::string build_id_in(std::string_view notes);

}  // namespace ktop
