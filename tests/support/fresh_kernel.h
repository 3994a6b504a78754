// A SystemC kernel of its own for each test: no module can be built in one that has run. To be
// declared before the modules, so that it outlives them.
#pragma once

#include <memory>
#include <systemc>

namespace workbench {

class FreshKernel {
 public:
  FreshKernel() : context_(std::make_unique<sc_core::sc_simcontext>()) {
    sc_core::sc_curr_simcontext = sc_core::sc_default_global_context = context_.get();
  }
  ~FreshKernel() { sc_core::sc_curr_simcontext = sc_core::sc_default_global_context = nullptr; }
  FreshKernel(const FreshKernel&) = delete;
  FreshKernel& operator=(const FreshKernel&) = delete;

 private:
  std::unique_ptr<sc_core::sc_simcontext> context_;
};

}  // namespace workbench
