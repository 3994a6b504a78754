// AddressSanitizer and SystemC's coroutines.
#pragma once

namespace workbench::sim {

// Tells AddressSanitizer, when it goes out of scope, that this thread runs on its own stack again.
// SystemC 2.3.4 announces every switch to a process, but returns from sc_start() with the bounds of
// the last process in force; the next exception would then be taken for a stack overflow. Put it
// around sc_start(). Without AddressSanitizer it does nothing.
class StackBounds {
 public:
  StackBounds() = default;
  ~StackBounds();
  StackBounds(const StackBounds&) = delete;
  StackBounds& operator=(const StackBounds&) = delete;
};

}  // namespace workbench::sim
