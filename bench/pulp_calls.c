// Runs each call of calls.inc, which pulp_calls writes, and prints its cycles from a barrier to its
// own, and how many of them the core that worked longest waited at the banks.
#include <stdio.h>

#include "nn_kernels.h"
#include "pmsis.h"

static PI_L1 uint8_t l1[L1_BYTES];
typedef struct {
  void (*kernel)(const nn_call_t*);
  nn_call_t call;
} call_t;
static const call_t calls[] = {
#include "calls.inc"
};

static const call_t* next;
static uint32_t active[NUM_CORES], conflicts[NUM_CORES], cycles;

static void on_core(void* unused) {
  (void)unused;
  const nn_call_t call = next->call;
  const uint32_t core = pi_core_id();
  pi_perf_conf(1u << PI_PERF_CYCLES);
  pi_perf_start();
  next->kernel(&call);  // the caches of instructions know it afterwards
  pi_cl_team_barrier();
  conflicts[core] = 0u - pi_perf_read(PI_PERF_TCDM_CONT);
  active[core] = 0u - pi_perf_read(PI_PERF_ACTIVE_CYCLES);
  pi_cl_team_barrier();
  const uint32_t begin = pi_perf_read(PI_PERF_CYCLES);
  next->kernel(&call);
  const uint32_t end = pi_perf_read(PI_PERF_CYCLES);
  active[core] += pi_perf_read(PI_PERF_ACTIVE_CYCLES);
  conflicts[core] += pi_perf_read(PI_PERF_TCDM_CONT);
  if (core == 0) cycles = end - begin;
  pi_cl_team_barrier();
}

static void on_cluster(void* unused) {
  (void)unused;
  pi_cl_team_fork(NUM_CORES, on_core, NULL);
}

int main(void) {
  static struct pi_cluster_task task;
  for (next = calls; next < calls + sizeof calls / sizeof calls[0]; ++next) {
    pi_cluster_task(&task, on_cluster, NULL);
    task.stack_size = task.slave_stack_size = 2048;
    if (pi_cluster_send_task_to_cl(NULL, &task) != 0) return 1;
    int longest = 0;
    for (int i = 1; i < NUM_CORES; ++i) longest = active[i] > active[longest] ? i : longest;
    printf("call %lu %lu\n", (unsigned long)cycles, (unsigned long)conflicts[longest]);
  }
  return 0;
}
