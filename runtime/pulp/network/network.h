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
// Between two parts of the layers, on the fabric controller; none where there is one part.
void network_host_step(int32_t next_part);
// Compares the outputs with their files: how many bytes differ.
int network_compare_outputs(void);
void network_terminate(void);
