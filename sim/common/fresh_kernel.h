// SystemC simulations one after the other in one process.
#pragma once

#include <memory>
#include <systemc>

namespace workbench::sim {

// A fresh kernel for each simulation: no module can be built once another has run (platform.md 1).
class FreshKernel {
 public:
  FreshKernel() : context_(std::make_unique<sc_core::sc_simcontext>()) {
    sc_core::sc_curr_simcontext = context_.get();
    sc_core::sc_default_global_context = context_.get();
  }
  ~FreshKernel() {
    sc_core::sc_curr_simcontext = nullptr;
    sc_core::sc_default_global_context = nullptr;
  }
  FreshKernel(const FreshKernel&) = delete;
  FreshKernel& operator=(const FreshKernel&) = delete;

 private:
  std::unique_ptr<sc_core::sc_simcontext> context_;
};

}  // namespace workbench::sim
