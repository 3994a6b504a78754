// The memory that this process may use. Sizes come from files: what they declare is held against
// the limit before it is allocated, and a process that needs more ends with one line instead of
// taking the machine with it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace workbench {

// Bytes. Until set_memory_limit() is called, half of what the machine (or the control group) had
// free when it was first asked.
std::int64_t memory_limit();
void set_memory_limit(std::int64_t bytes);

// Throws Error "WHAT: needs SIZE ..., the limit is ..." when `bytes` are more than the limit.
void require_memory(std::int64_t bytes, std::string_view what);

// Has the kernel refuse what would take this process beyond its limit: std::bad_alloc.
void enforce_memory_limit();

// What is held in tensors.
std::int64_t tensor_memory();
// take() throws Error when it would become more than the limit.
void take_tensor_memory(std::int64_t bytes);
void return_tensor_memory(std::int64_t bytes) noexcept;

std::string out_of_memory_message();

// "1.5 GB"; of 1024.
std::string memory_text(std::int64_t bytes);

}  // namespace workbench
