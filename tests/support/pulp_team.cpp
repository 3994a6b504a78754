#include "tests/support/pulp_team.h"

#include <barrier>
#include <cstring>
#include <map>
#include <thread>

#include "compiler/pulp/c_kernels.h"
#include "core/error.h"

extern "C" {
#include "runtime/pulp/kernels/nn_kernels.h"
#include "runtime/pulp/network/pulp_nn_calls.h"

std::uint32_t pi_core_id(void);
void pi_cl_team_barrier(void);
}

namespace {

thread_local std::uint32_t own_core = 0;
std::barrier<>* team_barrier = nullptr;

}  // namespace

std::uint32_t pi_core_id(void) { return own_core; }
void pi_cl_team_barrier(void) { team_barrier->arrive_and_wait(); }

namespace workbench::pulp {

namespace {

using Function = void (*)(const nn_call_t*);

Function function_named(const std::string& name) {
#define NAMED(function) \
  { #function, function }
  static const std::map<std::string, Function> functions = {
      NAMED(nn_conv_Ho),
      NAMED(nn_conv_HoWo),
      NAMED(nn_conv_Co),
      NAMED(nn_conv_Ho_4x4),
      NAMED(nn_conv_HoWo_4x4),
      NAMED(nn_conv_Co_4x4),
      NAMED(nn_linear),
      NAMED(nn_linear_out_32),
      NAMED(nn_conv_Ho_packed),
      NAMED(nn_conv_HoWo_packed),
      NAMED(nn_conv_Co_packed),
      NAMED(nn_conv_Ho_packed_4x4),
      NAMED(nn_conv_HoWo_packed_4x4),
      NAMED(nn_conv_Co_packed_4x4),
      NAMED(nn_conv_Ho_macload),
      NAMED(nn_conv_HoWo_macload),
      NAMED(nn_conv_Co_macload),
      NAMED(nn_conv_Ho_macload_4x4),
      NAMED(nn_conv_HoWo_macload_4x4),
      NAMED(nn_conv_Co_macload_4x4),
      NAMED(nn_linear_packed),
      NAMED(nn_linear_out_32_packed),
      NAMED(nn_linear_macload),
      NAMED(nn_linear_out_32_macload),
      NAMED(nn_depthwise),
      NAMED(nn_depthwise_pixels),
      NAMED(nn_add),
      NAMED(nn_avgpool),
      NAMED(nn_avgpool_Co),
      NAMED(nn_maxpool),
      NAMED(nn_maxpool_direct),
      NAMED(nn_requantize),
      NAMED(call_conv_Ho),
      NAMED(call_conv_HoWo),
      NAMED(call_conv_Co),
      NAMED(call_pointwise_Ho),
      NAMED(call_pointwise_HoWo),
      NAMED(call_pointwise_Co),
      NAMED(call_conv_Ho_64),
      NAMED(call_conv_HoWo_64),
      NAMED(call_conv_Co_64),
      NAMED(call_pointwise_Ho_64),
      NAMED(call_pointwise_HoWo_64),
      NAMED(call_pointwise_Co_64),
      NAMED(call_depthwise_generic),
      NAMED(call_depthwise_generic_less_4_weights),
      NAMED(call_depthwise_generic_64),
      NAMED(call_depthwise_generic_less_4_weights_64),
      NAMED(call_linear),
      NAMED(call_linear_64),
      NAMED(call_linear_out_32),
      NAMED(call_add),
      NAMED(call_avgpool),
      NAMED(call_maxpool)};
#undef NAMED
  const auto found = functions.find(name);
  CHECK(found != functions.end(), "no C function {}", name);
  return found->second;
}

// A call that PULP-NN's kernels do not do: a core does not take part in it.
std::string own_kernel(Kernel call) {
  call.cores = 7;
  return c_kernel(call);
}

// The numbers in the order of the instruction's fields, as applications have them.
nn_call_t call_of(const Kernel& kernel, std::uint8_t* l1) {
  std::vector<std::int64_t> fields;
  struct Visit {
    std::vector<std::int64_t>& fields;
    void operator()(std::string_view, std::int64_t value) const { fields.push_back(value); }
    void operator()(std::string_view, bool value) const { fields.push_back(value ? 1 : 0); }
    void operator()(std::string_view, KernelKind) const {}
  };
  kernel.fields(kernel, Visit{fields});
  CHECK(fields.size() == NN_ADDRESSES + NN_NUMBERS, "{} fields", fields.size());
  nn_call_t call{};
  std::uint8_t** const addresses[] = {&call.in,    &call.in2,    &call.weights, &call.bias,
                                      &call.kappa, &call.lambda, &call.out,     &call.scratch};
  for (std::size_t i = 0; i < NN_ADDRESSES; ++i) *addresses[i] = l1 + fields[i];
  std::int32_t numbers[NN_NUMBERS];
  for (std::size_t i = 0; i < NN_NUMBERS; ++i) {
    numbers[i] = static_cast<std::int32_t>(fields[NN_ADDRESSES + i]);
  }
  std::memcpy(&call.in_w, numbers, sizeof numbers);
  return call;
}

}  // namespace

std::vector<std::uint8_t> l1_after_c_kernel(const Kernel& kernel, std::vector<std::uint8_t> l1,
                                            bool own) {
  constexpr std::uint32_t kCores = 8;
  const Function function = function_named(own ? own_kernel(kernel) : c_kernel(kernel));
  const nn_call_t call = call_of(kernel, l1.data());
  std::barrier<> barrier(kCores);
  team_barrier = &barrier;
  std::vector<std::jthread> team;
  for (std::uint32_t core = 0; core < kCores; ++core) {
    team.emplace_back([&, core] {
      own_core = core;
      function(&call);
    });
  }
  team.clear();
  return l1;
}

}  // namespace workbench::pulp
