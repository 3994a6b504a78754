// Runs a network (network.h): buffers, weights and inputs on the fabric controller, then one task
// on the cluster whose cores go through the layers together.
// Small rather than fast: once a layer at most.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os")
#endif
#include "network.h"

#include "dma.h"
#include "mem.h"

#ifndef STACK_SIZE
#define STACK_SIZE 3800  // of core 0; the others' follow
#endif
#ifndef SLAVE_STACK_SIZE
#define SLAVE_STACK_SIZE 3200
#endif

// Without: layers follow each other at once, for who watches them from outside.
#ifdef NETWORK_SILENT
enum { kReports = 0 };
#else
enum { kReports = 1 };
#endif

static memories_t memories;
static pi_device_t cluster;
static int32_t mistakes;

// Tensors in L2 and L3, piece by piece.

enum { kPieceBytes = 512 };
static uint8_t piece[kPieceBytes];

// Core 0's while the cluster runs, else the fabric controller's.
static int on_cluster;
static void read_l3(void* to, uint32_t from, size_t size) {
  if (!on_cluster) {
    ram_read(to, from, size);
    return;
  }
  pi_cl_ram_req_t request;
  memset(&request, 0, sizeof request);
  pi_cl_ram_read(memories.ram, from, to, (uint32_t)size, &request);
  pi_cl_ram_read_wait(&request);
}

typedef struct {
  uint8_t in_l3;
  int32_t address, pixel_bytes, width, height, pixel_stride, row_stride;
} place_t;

// use(bytes, size, state) for all bytes of the tensor, pixels one after the other. What it writes is
// kept in L2; in L3 where it `fills`, which only the fabric controller does.
static void each_run(const place_t* place, int fills, void (*use)(uint8_t*, int32_t, void*),
                     void* state) {
  const int gapless = place->pixel_stride == place->pixel_bytes;
  const int32_t runs = gapless ? 1 : place->width;
  const int32_t run_bytes = place->pixel_bytes * (gapless ? place->width : 1);
  for (int32_t i = 0; i < place->height * runs; ++i) {
    const int32_t at =
        place->address + i / runs * place->row_stride + i % runs * place->pixel_stride;
    for (int32_t done = 0; done < run_bytes; done += kPieceBytes) {
      const int32_t size = run_bytes - done < kPieceBytes ? run_bytes - done : kPieceBytes;
      uint8_t* bytes = memories.l2 + at + done;
      if (place->in_l3) {
        if (!fills) read_l3(piece, memories.l3 + (uint32_t)(at + done), (size_t)size);
        bytes = piece;
      }
      use(bytes, size, state);
      if (place->in_l3 && fills) ram_write(memories.l3 + (uint32_t)(at + done), piece, (size_t)size);
    }
  }
}

// Check sums.

typedef struct {
  uint32_t sum, sum_of_sums;
} sums_t;

static void add_bytes(uint8_t* bytes, int32_t size, void* state) {
  sums_t* sums = state;
  for (int32_t i = 0; i < size; ++i) {
    sums->sum += bytes[i];
    sums->sum_of_sums += sums->sum;
  }
}

static void check_tensor(const check_t* check) {
  const place_t place = {check->in_l3, check->address,      check->pixel_bytes, check->width,
                         check->height, check->pixel_stride, check->row_stride};
  sums_t sums = {0, 0};
  each_run(&place, 0, add_bytes, &sums);
  const int right = sums.sum == check->sum && sums.sum_of_sums == check->sum_of_sums;
  printf("  %s: check sum %lu %lu%s\n", check->name, (unsigned long)sums.sum,
         (unsigned long)sums.sum_of_sums, !check->is_known ? "" : right ? ", ok" : ", WRONG");
  if (!check->is_known || right) return;
  ++mistakes;
  printf("  %s: expected %lu %lu\n", check->name, (unsigned long)check->sum,
         (unsigned long)check->sum_of_sums);
}

// Where nothing counts them there are none.
static void print_cycles(uint32_t cycles) {
  if (cycles > 0) printf(": %lu cycles", (unsigned long)cycles);
  printf("\n");
}

static void report_layer(int32_t layer, uint32_t cycles) {
  printf("layer %ld %s", (long)layer, layers[layer].name);
  print_cycles(cycles);
  for (int32_t i = 0; i < network_checks; ++i) {
    if (checks[i].layer == layer) check_tensor(&checks[i]);
  }
}

// The cluster.

typedef struct {
  int32_t begin, end, is_last;
} part_t;

// A part of the network.
static void run_layers(void* layers_of) {
  const part_t part = *(const part_t*)layers_of;
  // On the stack, which is in L1; by turns, with the table of the layer that runs and of the next.
  memories_t here[2] = {memories, memories};
  transfers_t transfers;
  uint32_t cycles = 0;
  memset(&transfers, 0, sizeof transfers);
  here[1].table += network_table_bytes;
  layer_load(&layers[part.begin], &here[part.begin % 2]);
  pi_cl_team_barrier();
  for (int32_t layer = part.begin; layer < part.end; ++layer) {
    const int ends = layer + 1 == part.end;
    layer_run(&layers[layer], &here[layer % 2], &transfers, &cycles);
    if (!ends) layer_load(&layers[layer + 1], &here[(layer + 1) % 2]);
    if (ends && !part.is_last) finish_transfers(&transfers);
    pi_cl_team_barrier();
    if (!kReports) continue;
    if (pi_core_id() == 0) report_layer(layer, cycles);
    pi_cl_team_barrier();
  }
}

static void cluster_main(void* part) {
  on_cluster = 1;
  pi_cl_team_fork(NUM_CORES, run_layers, part);
  on_cluster = 0;
}

// The fabric controller.

static place_t place_of(const tensor_t* tensor) {
  const place_t place = {tensor->in_l3, tensor->address,      tensor->pixel_bytes, tensor->width,
                         tensor->height, tensor->pixel_stride, tensor->row_stride};
  return place;
}

static void fail(const char* what) {
  printf("error: %s\n", what);
  pmsis_exit(2);
}

void network_initialize(void) {
  static struct pi_cluster_conf conf;
  mem_init();
  memories.ram = get_ram_ptr();
  memories.l3 = ram_malloc((size_t)network_l3_bytes);
  memories.l2 = pi_l2_malloc(network_l2_bytes);
  if (memories.l2 == NULL && network_l2_bytes > 0) fail("L2 is too small");
  for (int32_t i = 0; i < network_weights; ++i) {
    const int32_t address = weights[i].address;
    uint32_t sum = 0;
    load_file_to_ram(memories.l3 + (uint32_t)address, weights[i].file,
                     (size_t)(network_l3_bytes - address), &sum);
    if (sum != weights[i].sum) printf("%s: ", weights[i].file);
    if (sum != weights[i].sum) fail("not the bytes that were written");
  }
  pi_cluster_conf_init(&conf);
  conf.id = 0;
  pi_open_from_conf(&cluster, &conf);
  if (pi_cluster_open(&cluster) != 0) fail("the cluster does not open");
  memories.l1 = pi_cl_l1_malloc(&cluster, (uint32_t)network_l1_bytes);
  if (memories.l1 == NULL && network_l1_bytes > 0) fail("L1 is too small");
  memories.table = pi_cl_l1_malloc(&cluster, 2u * (uint32_t)network_table_bytes);
  if (memories.table == NULL && network_table_bytes > 0) fail("L1 is too small");
}

// The next bytes of a file that is in RAM.
static void take_bytes(uint8_t* bytes, int32_t size, void* state) {
  uint32_t* from = state;
  ram_read(bytes, *from, (size_t)size);
  *from += (uint32_t)size;
}

// Part of a join: the file is spread by way of RAM.
static size_t load_with_gaps(const tensor_t* input, const place_t* place, size_t bytes) {
  const uint32_t file = ram_malloc(bytes);
  uint32_t from = file;
  const size_t loaded = load_file_to_ram(file, input->file, bytes, NULL);
  if (loaded == bytes) each_run(place, 1, take_bytes, &from);
  ram_free(file, bytes);
  return loaded;
}

static size_t load_without_gaps(const tensor_t* input, size_t bytes) {
  return input->in_l3
             ? load_file_to_ram(memories.l3 + (uint32_t)input->address, input->file, bytes, NULL)
             : load_file_to_local(memories.l2 + input->address, input->file, bytes);
}

static void load_input(const tensor_t* input) {
  const place_t place = place_of(input);
  const size_t bytes = (size_t)(input->pixel_bytes * input->width * input->height);
  const int gaps = (input->width > 1 && input->pixel_stride != input->pixel_bytes) ||
                   (input->height > 1 && input->row_stride != input->pixel_bytes * input->width);
  const size_t loaded =
      gaps ? load_with_gaps(input, &place, bytes) : load_without_gaps(input, bytes);
  if (loaded != bytes) fail("an input's file is too short");
}

static int32_t part_begin(int32_t number) { return number == 0 ? 0 : network_part_ends[number - 1]; }

// Returns when the cluster has run the part.
static int run_part(int32_t number) {
  static struct pi_cluster_task task;
  static part_t part;
  part.begin = part_begin(number);
  part.end = network_part_ends[number];
  part.is_last = number + 1 == network_parts;
  pi_cluster_task(&task, cluster_main, &part);
  task.stack_size = STACK_SIZE;
  task.slave_stack_size = SLAVE_STACK_SIZE;
  return pi_cluster_send_task_to_cl(&cluster, &task);
}

// All cores sleep, no transfer is under way, and tensors lie in L2 and L3 as the program has them.
// Where no function of ours computes it, whoever watches the application does so here.
__attribute__((noinline)) void network_host_step(int32_t next_part) {
  __asm__ volatile("" : : "r"(next_part) : "memory");
  if (network_turns[next_part] != 0) network_turns[next_part](&memories);
}

static void run_turn(int32_t next_part) {
  const int at_end = next_part == 0 || next_part == network_parts;
  if (at_end && network_turns[next_part] == 0) return;
  if (!kReports) {
    network_host_step(next_part);
    return;
  }
  pi_perf_conf(1u << PI_PERF_CYCLES);
  pi_perf_reset();
  pi_perf_start();
  network_host_step(next_part);
  pi_perf_stop();
  if (next_part == network_parts) {
    printf("fabric controller behind all layers");
  } else {
    printf("fabric controller before layer %ld", (long)part_begin(next_part));
  }
  print_cycles(pi_perf_read(PI_PERF_CYCLES));
}

int network_run(void) {
  mistakes = 0;
  for (int32_t i = 0; i < network_inputs; ++i) load_input(&inputs[i]);
  for (int32_t part = 0; part < network_parts; ++part) {
    run_turn(part);
    if (run_part(part) != 0) return -1;
  }
  run_turn(network_parts);
  return (int)mistakes;
}

// The file is in RAM; of its bytes that differ.
typedef struct {
  uint32_t expected;
  int32_t differ;
} comparison_t;

static void compare_bytes(uint8_t* bytes, int32_t size, void* state) {
  static uint8_t expected[kPieceBytes];
  comparison_t* comparison = state;
  ram_read(expected, comparison->expected, (size_t)size);
  for (int32_t i = 0; i < size; ++i) comparison->differ += bytes[i] != expected[i];
  comparison->expected += (uint32_t)size;
}

int network_compare_outputs(void) {
  int differ = 0;
  for (int32_t i = 0; i < network_outputs; ++i) {
    const tensor_t* output = &outputs[i];
    const place_t place = place_of(output);
    const size_t bytes = (size_t)(output->pixel_bytes * output->width * output->height);
    if (output->file == NULL) continue;
    const uint32_t expected = ram_malloc(bytes);
    comparison_t comparison = {expected, 0};
    if (load_file_to_ram(expected, output->file, bytes, NULL) != bytes) {
      fail("an output's file is too short");
    }
    each_run(&place, 0, compare_bytes, &comparison);
    ram_free(expected, bytes);
    printf("output %s: %ld of %ld bytes differ\n", output->name, (long)comparison.differ,
           (long)bytes);
    differ += (int)comparison.differ;
  }
  return differ;
}

void network_terminate(void) {
  pi_cl_l1_free(&cluster, memories.table, 2 * network_table_bytes);
  pi_cl_l1_free(&cluster, memories.l1, network_l1_bytes);
  pi_cluster_close(&cluster);
  pi_l2_free(memories.l2, network_l2_bytes);
  ram_free(memories.l3, (size_t)network_l3_bytes);
}
