// Runs a layer's table (layer.h).
#include "layer.h"

#include <stdio.h>

#include "dma.h"
#include "nn_core.h"

enum { kLoopDepth = 4 };

// Of a kernel's call: as it is called where addresses have 32 bits.
typedef union {
  int32_t fields[kKernelFields];
#if UINTPTR_MAX == UINT32_MAX
  struct {
    int32_t kernel;
    nn_call_t call;
  } as;
#endif
} kernel_call_t;

typedef struct {
  const memories_t* memories;
  transfers_t* transfers;
  // fields as the last command of opcode and set has left them
  int32_t dma[kSets][kDmaFields], dma_wait[1], l3[kL3Fields], l3_wait[1];
  kernel_call_t kernel;
  int32_t depth, trips[kLoopDepth], iteration[kLoopDepth];
  const uint8_t* body[kLoopDepth];
} runner_t;

// Little-endian, as is every machine that this runs on.
static int32_t number_at(const uint8_t* at, uint32_t bytes) {
  const uint32_t unused = 32 - 8 * bytes;
  return (int32_t)(nn_word(at) << unused) >> unused;
}

#ifdef NN_XPULP
// clang-format off
#define ADD_CHANGES(halfwords, scale)                                                             \
  __asm__ volatile(NN_LOOP("x0", "%[count]", halfwords) NN_LBU("t0", "2", "%[at]")                \
                   "lw t1, -1(%[at])\nandi t2, t0, 3\nandi t0, t0, 252\nadd %[at], %[at], t2\n"   \
                   "add t0, t0, %[fields]\nslli t2, t2, 8\naddi t2, t2, 224\nlw t3, 0(t0)\n"      \
                   NN_EXTRACT_BY("t1", "t1", "t2") scale "add t3, t3, t1\nsw t3, 0(t0)\n"         \
                   NN_END_LOOP                                                                    \
                   : [at] "+&r"(at)                                                               \
                   : [fields] "r"(fields), [count] "r"(count), [times] "r"(times)                 \
                   : "memory", "t0", "t1", "t2", "t3")
// clang-format on
static inline const uint8_t* add_changes(const uint8_t* at, int32_t* fields, uint32_t count) {
  const uint32_t times = 1;
  if (count > 0) ADD_CHANGES("24", "");
  return at;
}
static inline const uint8_t* add_scaled(const uint8_t* at, int32_t* fields, uint32_t count,
                                        uint32_t times) {
  if (count > 0) ADD_CHANGES("26", "mul t1, t1, %[times]\n");
  return at;
}
#else
static inline const uint8_t* add_scaled(const uint8_t* at, int32_t* fields, uint32_t count,
                                        uint32_t times) {
  for (; count > 0; --count) {
    const uint32_t head = *at, bytes = (head & 3) + 1;
    int32_t* const field = &fields[head >> 2];
    *field = (int32_t)((uint32_t)*field + (uint32_t)number_at(at + 1, bytes) * times);
    at += 1 + bytes;
  }
  return at;
}
static inline const uint8_t* add_changes(const uint8_t* at, int32_t* fields, uint32_t count) {
  return add_scaled(at, fields, count, 1);
}
#endif

#ifdef NETWORK_KERNEL_CYCLES
// A line per call: cycles from a barrier to the kernel's own, and those of them that the core which
// worked longest waited at the banks.
static void run(kernel_t kernel, const nn_call_t* call) {
  static uint32_t active[NUM_CORES], conflicts[NUM_CORES];
  const uint32_t core = pi_core_id();
  pi_cl_team_barrier();
  conflicts[core] = 0u - pi_perf_read(PI_PERF_TCDM_CONT);
  active[core] = 0u - pi_perf_read(PI_PERF_ACTIVE_CYCLES);
  pi_cl_team_barrier();
  const uint32_t begin = pi_perf_read(PI_PERF_CYCLES);
  kernel(call);
  const uint32_t cycles = pi_perf_read(PI_PERF_CYCLES) - begin;
  active[core] += pi_perf_read(PI_PERF_ACTIVE_CYCLES);
  conflicts[core] += pi_perf_read(PI_PERF_TCDM_CONT);
  pi_cl_team_barrier();
  if (core == 0) {
    int32_t longest = 0;
    for (int32_t i = 1; i < NUM_CORES; ++i) longest = active[i] > active[longest] ? i : longest;
    printf("kernel %lu cycles %lu conflicts\n", (unsigned long)cycles, (unsigned long)conflicts[longest]);
  }
  pi_cl_team_barrier();
}
#else
static void run(kernel_t kernel, const nn_call_t* call) { kernel(call); }
#endif

#if UINTPTR_MAX == UINT32_MAX
static void place_kernel(kernel_call_t* kernel, uint8_t* l1) {
  for (int i = 0; i < NN_ADDRESSES; ++i) kernel->fields[1 + i] = (int32_t)(uintptr_t)l1;
}
static void run_kernel(const runner_t* r) {
  run(network_kernels[r->kernel.as.kernel], &r->kernel.as.call);
}
#else
static void place_kernel(kernel_call_t* kernel, uint8_t* l1) { (void)kernel, (void)l1; }
static void run_kernel(const runner_t* r) {
  const int32_t* fields = r->kernel.fields;
  uint8_t* const l1 = r->memories->l1;
  nn_call_t call;
  memset(&call, 0, sizeof call);
  uint8_t** const addresses[NN_ADDRESSES] = {&call.in,    &call.in2,    &call.weights, &call.bias,
                                             &call.kappa, &call.lambda, &call.out,     &call.scratch};
  for (int i = 0; i < NN_ADDRESSES; ++i) *addresses[i] = l1 + fields[1 + i];
  memcpy((char*)&call + offsetof(nn_call_t, in_w), fields + 1 + NN_ADDRESSES,
         NN_NUMBERS * sizeof(int32_t));
  run(network_kernels[fields[0]], &call);
}
#endif

static __attribute__((noinline)) const uint8_t* add_steps(const runner_t* r, const uint8_t* at, int32_t* fields) {
  uint32_t head;
  do {
    head = *at++;
    const int32_t times = r->iteration[head >> kStepDepthBit & kStepDepth];
    at = add_scaled(at, fields, head & kStepCount, (uint32_t)times);
  } while ((head & kMoreSteps) != 0);
  return at;
}

// Behind the changes of a command's fields.
static inline __attribute__((always_inline)) const uint8_t* change(const runner_t* r, uint32_t first, const uint8_t* at,
                                    int32_t* fields) {
  const uint32_t count = *at++;
  at = add_changes(at, fields, count);
  return (first & kSteps) != 0 ? add_steps(r, at, fields) : at;
}

static NN_SMALL const uint8_t* l3_command(runner_t* r, uint32_t first, const uint8_t* at) {
  const int is_wait = (first & kOpcode) == kL3Wait;
  int32_t* const fields = is_wait ? r->l3_wait : r->l3;
  at = change(r, first, at, fields);
  if ((first & kSetOnly) != 0) return at;
  if (is_wait) {
    l3_wait(r->transfers, fields[0]);
  } else {
    l3_copy(r->transfers, r->memories, fields);
  }
  return at;
}

static const uint8_t* begin_loop(runner_t* r, const uint8_t* at) {
  const int32_t innermost = r->depth++;
  r->trips[innermost] = number_at(at, 4);
  r->iteration[innermost] = 0;
  return r->body[innermost] = at + 4;
}

static const uint8_t* end_loop(runner_t* r, const uint8_t* at) {
  const int32_t innermost = r->depth - 1;
  if (++r->iteration[innermost] < r->trips[innermost]) return r->body[innermost];
  --r->depth;
  return at;
}

static void start_counter(void) {
  pi_perf_conf(1u << PI_PERF_CYCLES);
  pi_perf_reset();
  pi_perf_start();
}
static void stop_counter(uint32_t* cycles) {
  pi_perf_stop();
  if (pi_core_id() == 0) *cycles = pi_perf_read(PI_PERF_CYCLES);
}

static int has_room(const layer_t* layer) {
  return layer->table_bytes > 0 && layer->table_bytes <= (uint32_t)network_table_bytes;
}

void layer_load(const layer_t* layer, const memories_t* memories) {
  typedef uint32_t __attribute__((may_alias)) word_t;
  const word_t* from = (const word_t*)(const void*)layer->table;
  word_t* to = (word_t*)(void*)memories->table;
  if (!has_room(layer)) return;
  for (uint32_t i = pi_core_id(); i < layer->table_bytes / 4; i += NUM_CORES) to[i] = from[i];
}

void layer_run(const layer_t* layer, const memories_t* memories, transfers_t* transfers,
               uint32_t* cycles) {
  runner_t r = {.memories = memories, .transfers = transfers};
  place_kernel(&r.kernel, memories->l1);
  const uint8_t* at = has_room(layer) ? memories->table : layer->table;
  for (;;) {
    const uint32_t first = *at++, opcode = first & kOpcode, does = (first & kSetOnly) == 0;
    if (opcode == kDma) {
      int32_t* const fields = r.dma[first >> kSetBit];
      at = change(&r, first, at, fields);
      if (does) dma_copy(transfers, memories, fields);
    } else if (opcode <= kDmaWait) {
      if (opcode == kBarrier) {
        pi_cl_team_barrier();
      } else if (opcode == kDmaWait) {
        at = change(&r, first, at, r.dma_wait);
        if (does) dma_wait(transfers, r.dma_wait[0]);
      } else {
        return;
      }
    } else if (opcode <= kKernel) {
      if (opcode == kKernel) {
        at = change(&r, first, at, r.kernel.fields);
        if (does) run_kernel(&r);
      } else {
        at = l3_command(&r, first, at);
      }
    } else if (opcode <= kEndLoop) {
      at = opcode == kLoop ? begin_loop(&r, at) : end_loop(&r, at);
    } else if (opcode == kCounterStart) {
      start_counter();
    } else {
      stop_counter(cycles);
    }
  }
}
