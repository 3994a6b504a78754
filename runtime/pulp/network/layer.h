// A network's program as its layers' tables hold it, and what runs one. Every core of the cluster
// runs every layer: transfers are shared out, kernels share their work.
//
// A table is a string of commands. A command is
//   opcode | kSteps | kSetOnly | set << 6, the number of fields that change, and the changes: what
//   is added to what the last command of this opcode and set has left there (kDma has four sets of
//   fields, the others have one);
//   with kSteps: for each depth count | depth << 5 | kMoreSteps where others follow, and so many
//   changes that are added as many times as the loop of that depth has been through.
// A change is the field's index << 2 | bytes - 1 and 1 to 4 bytes, signed, low ones first. With
// kSetOnly fields change and nothing is done. kLoop has its number of iterations (4 bytes) and ends
// at kEndLoop; kEnd, kBarrier, kCounterStart and kCounterStop are the opcode alone.
// Changes are to what the iteration before has left: commands of a loop that grow alike by constant
// steps need none of their own. A table ends with bytes to spare: 4 are read where there is one.
#pragma once

#include "nn_kernels.h"
#include "pmsis.h"

// clang-format off
enum {
  kEnd, kBarrier, kDma, kDmaWait, kL3, kL3Wait, kKernel, kLoop, kEndLoop, kCounterStart,
  kCounterStop,
  kOpcode = 15, kSteps = 16, kSetOnly = 32, kSetBit = 6, kSets = 4,
  kStepCount = 31, kStepDepthBit = 5, kStepDepth = 3, kMoreSteps = 128
};

// Fields of kDma, by index: lines of `length` bytes in rows in planes, between L2 and L1.
// `split`: the cores share the rows (planes where there is one row; lines where there is one of
// both and a command is a line); else core 0 does all. `two_d`: a command is all lines of a row.
enum {
  kDmaToL1, kDmaL2, kDmaL1, kDmaLength, kDmaLines, kDmaRows, kDmaPlanes,
  kDmaL2LineStride, kDmaL2RowStride, kDmaL2PlaneStride,
  kDmaL1LineStride, kDmaL1RowStride, kDmaL1PlaneStride,
  kDmaTwoD, kDmaSplit, kDmaId, kDmaFields
};
// Of kL3: rows of `length` bytes between L3 and L2.
enum {
  kL3ToL2, kL3L3, kL3L2, kL3Length, kL3Rows, kL3L3Stride, kL3L2Stride, kL3Id, kL3Fields
};
// clang-format on
// Of kKernel: which of network_kernels, the addresses of nn_call_t as offsets in L1, its numbers.
enum { kKernelFields = 1 + NN_ADDRESSES + NN_NUMBERS };
// Of kDmaWait and kL3Wait: the id of the transfers.

typedef struct {
  const char* name;
  const uint8_t* table;  // words
  uint32_t table_bytes;
} layer_t;

// A tensor behind a layer, in L2 or L3: the sum of its bytes, and the sum of these sums byte by
// byte, both modulo 2^32.
typedef struct {
  const char* name;
  int32_t layer;
  uint8_t in_l3, is_known;  // is_known: the sums are what they must be
  int32_t address, pixel_bytes, width, height, pixel_stride, row_stride;
  uint32_t sum, sum_of_sums;
} check_t;

// A network's input or output: the file of its bytes, pixels one after the other.
typedef struct {
  const char *name, *file;
  uint8_t in_l3;
  int32_t address, pixel_bytes, width, height, pixel_stride, row_stride;
} tensor_t;

typedef struct {
  const char* file;
  int32_t address;  // in L3
  uint32_t sum;     // of the bytes
} weights_t;

// Where buffers begin that the program's addresses count from.
typedef struct {
  uint8_t *l1, *l2;
  uint32_t l3;  // in RAM
  pi_device_t* ram;
  uint8_t* table;  // in L1, of the layer that runs
} memories_t;

typedef void (*kernel_t)(const nn_call_t* call);

// Of this network; src/network.c.
extern const char network_name[];
extern const int32_t network_l1_bytes, network_l2_bytes, network_l3_bytes;
extern const int32_t network_table_bytes;  // of L1, twice, for tables; longer ones stay in L2
extern const int32_t network_layers, network_checks, network_inputs, network_outputs;
extern const int32_t network_weights;
// The layers in parts, between which the fabric controller has work: how many, and the layer that
// each ends before; what is done before each and behind the last (0: nothing, between parts what
// whoever watches does).
typedef void (*turn_t)(const memories_t* memories);
extern const int32_t network_parts, network_part_ends[];
extern const turn_t network_turns[];
extern const layer_t layers[];
extern const check_t checks[];
extern const tensor_t inputs[], outputs[];
extern const weights_t weights[];
extern const kernel_t network_kernels[];

// A transfer with L3, and how many core 0 may have in flight.
typedef struct {
  int32_t id;
  uint8_t in_flight, is_read;
  pi_cl_ram_req_t request;
} l3_request_t;
extern const int32_t network_l3_requests;
extern l3_request_t l3_requests[];

// A core's transfers that nothing has waited for yet (dma.h); all 0 at first. Some are waited for a
// layer later.
typedef struct transfers transfers_t;

// One core's share of taking a layer's table to L1; a barrier must follow.
void layer_load(const layer_t* layer, const memories_t* memories);
// One core's share of a layer, whose table has been loaded; `cycles`: of the layer, counted by core
// 0.
void layer_run(const layer_t* layer, const memories_t* memories, transfers_t* transfers,
               uint32_t* cycles);
