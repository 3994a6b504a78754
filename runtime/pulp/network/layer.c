// Runs a layer's table (layer.h).
#include "layer.h"

#include <stdio.h>

#include "dma.h"

enum { kLoopDepth = 4 };

typedef struct {
  const memories_t* memories;
  const uint8_t* table;
  uint32_t at, word;  // byte that comes next, of the word that is being read
  // fields as the last command of opcode and set had them
  int32_t dma[kSets][kDmaFields], dma_wait[1], l3[kL3Fields], l3_wait[1], kernel[kKernelFields];
  int32_t depth, trips[kLoopDepth], iteration[kLoopDepth];
  uint32_t body[kLoopDepth];
  transfers_t* transfers;
} runner_t;

// Tables lie in L2, where a word takes a core as long as a byte.
static void read_word(runner_t* r) {
  memcpy(&r->word, __builtin_assume_aligned(r->table + (r->at & ~3u), 4), 4);
}

static uint32_t next_byte(runner_t* r) {
  if ((r->at & 3) == 0) read_word(r);
  const uint32_t byte = r->word >> (8 * (r->at & 3)) & 0xff;
  ++r->at;
  return byte;
}

static uint32_t next_number(runner_t* r) {
  uint32_t byte = next_byte(r), number = byte & 0x7f;
  for (int shift = 7; byte > 0x7f; shift += 7) {
    byte = next_byte(r);
    number |= (byte & 0x7f) << shift;
  }
  return number;
}

static uint32_t next_signed(runner_t* r) {
  const uint32_t number = next_number(r);
  return number >> 1 ^ (0u - (number & 1));
}

static void jump(runner_t* r, uint32_t to) {
  r->at = to;
  read_word(r);
}

static int32_t* fields_of(runner_t* r, uint32_t first) {
  switch (first & kOpcode) {
    case kDma: return r->dma[first >> kSetBit];
    case kDmaWait: return r->dma_wait;
    case kL3: return r->l3;
    case kL3Wait: return r->l3_wait;
    default: return r->kernel;
  }
}

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

static void run_kernel(const memories_t* memories, const int32_t* fields) {
  nn_call_t call;
  uint8_t** const addresses[NN_ADDRESSES] = {&call.in,    &call.in2,    &call.weights, &call.bias,
                                             &call.kappa, &call.lambda, &call.out,     &call.scratch};
  for (int i = 0; i < NN_ADDRESSES; ++i) *addresses[i] = memories->l1 + fields[1 + i];
  memcpy((char*)&call + offsetof(nn_call_t, in_w), fields + 1 + NN_ADDRESSES,
         NN_NUMBERS * sizeof(int32_t));
  call.bias8 = NULL;
  call.narrow = 0;
  run(network_kernels[fields[0]], &call);
}

static void execute(runner_t* r, uint32_t first) {
  switch (first & kOpcode) {
    case kDma: dma_copy(r->transfers, r->memories, fields_of(r, first)); return;
    case kDmaWait: dma_wait(r->transfers, r->dma_wait[0]); return;
    case kL3: l3_copy(r->transfers, r->memories, r->l3); return;
    case kL3Wait: l3_wait(r->transfers, r->l3_wait[0]); return;
    default: run_kernel(r->memories, r->kernel);
  }
}

// Adds to fields what the loops around have grown them by; the steps are read again to take it
// away.
static void step(runner_t* r, int32_t* fields, int undo) {
  for (uint32_t count = next_byte(r); count > 0; --count) {
    const uint32_t target = next_byte(r);
    const uint32_t grown = next_signed(r) * (uint32_t)r->iteration[target >> 6];
    int32_t* field = &fields[target & 63];
    *field = (int32_t)((uint32_t)*field + (undo ? 0u - grown : grown));
  }
}

static void command(runner_t* r, uint32_t first) {
  int32_t* fields = fields_of(r, first);
  for (uint32_t count = next_byte(r); count > 0; --count) {
    int32_t* field = &fields[next_byte(r)];
    *field = (int32_t)((uint32_t)*field + next_signed(r));
  }
  if ((first & kSteps) == 0) {
    if ((first & kSetOnly) == 0) execute(r, first);
    return;
  }
  const uint32_t steps = r->at;
  step(r, fields, 0);
  execute(r, first);
  jump(r, steps);
  step(r, fields, 1);
}

static void begin_loop(runner_t* r) {
  r->trips[r->depth] = (int32_t)next_number(r);
  r->iteration[r->depth] = 0;
  r->body[r->depth] = r->at;
  ++r->depth;
}

static void end_loop(runner_t* r) {
  const int32_t innermost = r->depth - 1;
  if (++r->iteration[innermost] < r->trips[innermost]) {
    jump(r, r->body[innermost]);
  } else {
    --r->depth;
  }
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

void layer_run(const layer_t* layer, const memories_t* memories, transfers_t* transfers,
               uint32_t* cycles) {
  runner_t r;
  memset(&r, 0, sizeof r);
  r.memories = memories;
  r.transfers = transfers;
  r.table = layer->table;
  for (;;) {
    const uint32_t first = next_byte(&r);
    switch (first & kOpcode) {
      case kEnd: return;
      case kBarrier: pi_cl_team_barrier(); break;
      case kLoop: begin_loop(&r); break;
      case kEndLoop: end_loop(&r); break;
      case kCounterStart: start_counter(); break;
      case kCounterStop: stop_counter(cycles); break;
      default: command(&r, first);
    }
  }
}
