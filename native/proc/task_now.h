// What a task of this host does right now, from /proc. All are empty when it cannot be known.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ktop {

// Letter as in ps, 0 when gone.
char task_state(uint32_t tid);
// Its kernel stack, innermost first. Root only.
std::vector<std::string> kernel_stack(uint32_t tid);
// What a file descriptor stands for: a path, "socket:[…]", …
std::string file_of(uint32_t tid, int64_t fd);
// Text of its memory at an address, up to its end, at most 255 bytes.
std::string text_of_memory(uint32_t tid, uint64_t address);

}  // namespace ktop
