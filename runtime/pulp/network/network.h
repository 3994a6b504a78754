// The network as an application calls it, on the fabric controller.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "layer.h"

// Buffers in L2 and RAM; the weights from flash to RAM.
void network_initialize(void);
// Loads the inputs' files, runs all layers on the cluster and prints each one's check sums and
// cycles. How many tensors were other than they should be; -1: the cluster has not run.
int network_run(void);
// Before a part of the layers, and behind the last one, on the fabric controller, where it has
// something to do there.
void network_host_step(int32_t next_part);
// Compares the outputs with their files: how many bytes differ.
int network_compare_outputs(void);
void network_terminate(void);
