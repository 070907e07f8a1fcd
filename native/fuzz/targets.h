// What is fuzzed. Each takes any bytes, and must neither read out of bounds, nor hang, nor use memory without bound.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ktop_fuzz {

void format(const uint8_t* data, size_t size);  // a format file, then a NUL and a record for it
void ring(const uint8_t* data, size_t size);    // layout, tail, then the bytes of a perf ring
void page(const uint8_t* data, size_t size);    // page size, then pages as read from trace_pipe_raw

void perfdata(const uint8_t* data, size_t size);  // a perf.data file

// Reads every byte, so that the sanitizers see it.
uint64_t touch(const void* bytes, size_t size);

}  // namespace ktop_fuzz
