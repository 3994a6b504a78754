// Runs linear() and the library's kernel on the same numbers, counts their cycles and compares.
#include "linear.h"
#include "pulp_nn_kernels.h"

enum { kInputs = 256, kOutputs = 64 };

static PI_L1 uint8_t in[kInputs] __attribute__((aligned(4)));
static PI_L1 int8_t weights[kOutputs * kInputs] __attribute__((aligned(4)));
static PI_L1 int32_t ours[kOutputs], theirs[kOutputs];

static void run_ours(void *unused) {
  (void)unused;
  linear(in, weights, ours, kInputs, kOutputs);
}

static void run_theirs(void *unused) {
  (void)unused;
  pulp_nn_linear_out_32(in, NULL, theirs, weights, kInputs, kOutputs);
}

static uint32_t cycles_of(void (*kernel)(void *)) {
  pi_perf_conf(1u << PI_PERF_CYCLES);
  pi_perf_reset();
  pi_perf_start();
  pi_cl_team_fork(NUM_CORES, kernel, NULL);
  pi_perf_stop();
  return pi_perf_read(PI_PERF_CYCLES);
}

static void cluster(void *wrong) {
  for (int k = 0; k < kInputs; ++k) in[k] = (uint8_t)(37 * k);
  for (int k = 0; k < kOutputs * kInputs; ++k) weights[k] = (int8_t)(11 * k + k / kInputs);
  const uint32_t our_cycles = cycles_of(run_ours), their_cycles = cycles_of(run_theirs);
  for (int i = 0; i < kOutputs; ++i) *(int *)wrong += ours[i] != theirs[i];
  printf("linear: %lu cycles\n", (unsigned long)our_cycles);
  printf("pulp_nn_linear_out_32: %lu cycles\n", (unsigned long)their_cycles);
  printf("%d of %d results differ\n", *(int *)wrong, kOutputs);
}

int main(void) {
  struct pi_cluster_task task;
  int wrong = 0;
  pi_cluster_send_task_to_cl(NULL, pi_cluster_task(&task, cluster, &wrong));
  return wrong == 0 ? 0 : 1;
}
