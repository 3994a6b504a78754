/* Registers of the detailed tier that PULP's chips do not have in this form (docs/detailed-tier.md),
 * for the runtime alone. */
#ifndef WORKBENCH_PLATFORM_H
#define WORKBENCH_PLATFORM_H

#include "pmsis.h"

#define PLATFORM_CONSOLE 0x1a10f000u     /* a character */
#define PLATFORM_CORE_STATUS 0x1a1040a0u /* bit 31: the program has ended; 30:0: its exit code */

/* The uDMA between L3 and L2, and the folder of files behind it. Each core has registers of its
 * own; transfers are served one after the other. */
#define PLATFORM_L3 0x1a102000u
#define PLATFORM_L3_ADDRESS (PLATFORM_L3 + 0x00u) /* in L3; in the file */
#define PLATFORM_L3_LOCAL (PLATFORM_L3 + 0x04u)   /* in L2 */
#define PLATFORM_L3_LENGTH (PLATFORM_L3 + 0x08u)
#define PLATFORM_L3_COMMAND (PLATFORM_L3 + 0x0cu) /* write: begins one; read: number of the last */
#define PLATFORM_L3_DONE (PLATFORM_L3 + 0x10u)    /* how many are done; event 30 says that one is */
#define PLATFORM_L3_FILE (PLATFORM_L3 + 0x14u)    /* write: address of a name, or a handle; read:
                                                     handle, 0: there is none */
#define PLATFORM_L3_FILE_SIZE (PLATFORM_L3 + 0x18u)
#define PLATFORM_L3_SIZE (PLATFORM_L3 + 0x1cu)
#define PLATFORM_CLUSTER_CLOCK (PLATFORM_L3 + 0x20u) /* Hz */
#define PLATFORM_FABRIC_CLOCK (PLATFORM_L3 + 0x24u)

enum { PLATFORM_L3_READ = 1, PLATFORM_L3_WRITE = 2, PLATFORM_L3_READ_FILE = 3 };

#define PLATFORM_FC_MASK (1u << 31) /* the fabric controller in masks of cores */
#define PLATFORM_EVENT 0            /* of the runtime: a task of the cluster has ended */

/* Free lists for memory that the processor reaches. */
typedef struct platform_chunk {
  struct platform_chunk *next;
  uint32_t size;
} platform_chunk_t;
typedef struct {
  platform_chunk_t *first;
} platform_heap_t;
void platform_heap_init(platform_heap_t *heap, void *begin, void *end);
void *platform_heap_take(platform_heap_t *heap, uint32_t size);
void platform_heap_give(platform_heap_t *heap, void *chunk, uint32_t size);

#endif
