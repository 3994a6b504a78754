// Transfers of a core: the cluster's DMA between L2 and L1, and core 0's to and from L3, over
// PMSIS.
#pragma once

#include "layer.h"

// The cluster has 16 counters for the transfers of all cores: a core has two, and its transfers of
// even ids and those of odd ones share one each. A wait may so wait for more than it has to.
enum { kDmaCounters = 2 };

struct transfers {
  pi_cl_dma_copy_t counters[kDmaCounters];
  uint8_t counted[kDmaCounters];  // there are transfers under it
  uint32_t last;                  // the counter of the last command
  int32_t l3_first, l3_count;  // of l3_requests, in a ring: those that may be in flight
};

// `fields`: of kDma and kL3 (layer.h). Every core calls; those that have no share return.
void dma_copy(transfers_t* transfers, const memories_t* memories, const int32_t* fields);
void dma_wait(transfers_t* transfers, int32_t id);
void l3_copy(transfers_t* transfers, const memories_t* memories, const int32_t* fields);
void l3_wait(transfers_t* transfers, int32_t id);
// Waits for all that are under way: of every core its own.
void finish_transfers(transfers_t* transfers);
