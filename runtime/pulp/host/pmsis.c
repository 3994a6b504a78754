// PMSIS on the host (pmsis.h).
#include "pmsis.h"

#include <ucontext.h>

#define CORES_MAX 16
#define STACK_BYTES (256 * 1024)
#define DMA_COUNTERS 16

static void stop(const char* what) {
  fprintf(stderr, "host pmsis: %s\n", what);
  exit(3);
}

static void* some(void* memory) {
  if (memory == NULL) stop("out of memory");
  return memory;
}

// The team: a context for each core, and the one that gives them their turns.

typedef enum { RUNS, WAITS, DONE } state_t;
static ucontext_t contexts[CORES_MAX], scheduler;
static state_t states[CORES_MAX];
static int team = 0;
static uint32_t core = 0;
static void (*team_entry)(void*);
static void* team_arg;

uint32_t pi_core_id(void) { return core; }

// What transfers have brought since the last barrier is there for the core alone that has waited
// for them: where others run, memory is what it was. `other`: the bytes that are not there now.
typedef struct brought {
  struct brought* next;
  uint8_t *to, *other;
  uint32_t size;
} brought_t;
static brought_t* brought_by[CORES_MAX];  // the latest first

static void bring(uint8_t* to, const uint8_t* from, uint32_t size) {
  if (team > 0) {
    brought_t* one = some(malloc(sizeof *one + size));
    one->to = to, one->other = (uint8_t*)(one + 1), one->size = size;
    memcpy(one->other, to, size);
    one->next = brought_by[core];
    brought_by[core] = one;
  }
  memmove(to, from, size);
}

static void exchange(brought_t* one) {
  for (uint32_t i = 0; i < one->size; ++i) {
    const uint8_t there = one->to[i];
    one->to[i] = one->other[i];
    one->other[i] = there;
  }
}

static void hide(uint32_t of) {
  for (brought_t* one = brought_by[of]; one != NULL; one = one->next) exchange(one);
}

// The earliest first. It is there for all cores from now on.
static void show(brought_t* one) {
  if (one == NULL) return;
  show(one->next);
  exchange(one);
  free(one);
}

static void show_all(void) {
  for (int i = 0; i < team; ++i) {
    show(brought_by[i]);
    brought_by[i] = NULL;
  }
}

static void leave(state_t state) {
  const uint32_t self = core;
  states[self] = state;
  hide(self);
  swapcontext(&contexts[self], &scheduler);
}

void pi_cl_team_barrier(void) {
  if (team > 0) leave(WAITS);
}

static void run_core(void) {
  team_entry(team_arg);
  leave(DONE);
}

static int cores_that(state_t state) {
  int count = 0;
  for (int i = 0; i < team; ++i) count += states[i] == state;
  return count;
}

static void take_turns(void) {
  for (int turn = 0; cores_that(DONE) < team; ++turn) {
    for (int i = 0; i < team; ++i) {
      core = (uint32_t)(turn % 2 == 0 ? team - 1 - i : i);
      states[core] = RUNS;
      swapcontext(&scheduler, &contexts[core]);
    }
    show_all();
    if (cores_that(DONE) != 0 && cores_that(DONE) != team) {
      stop("some cores wait at a barrier, others have ended");
    }
  }
}

static int transfers_left(void);

void pi_cl_team_fork(int n, void (*entry)(void*), void* arg) {
  if (n < 1 || n > CORES_MAX || team != 0) stop("a team of no such size");
  char* stacks = some(malloc((size_t)n * STACK_BYTES));
  team = n;
  team_entry = entry;
  team_arg = arg;
  for (int i = 0; i < n; ++i) {
    states[i] = RUNS;
    getcontext(&contexts[i]);
    contexts[i].uc_stack.ss_sp = stacks + (size_t)i * STACK_BYTES;
    contexts[i].uc_stack.ss_size = STACK_BYTES;
    contexts[i].uc_link = NULL;
    makecontext(&contexts[i], run_core, 0);
  }
  take_turns();
  team = 0;
  core = 0;
  free(stacks);
  if (transfers_left() > 0) stop("transfers that no core has waited for");
}

int pmsis_kickoff(void* entry) {
  ((void (*)(void))entry)();
  return 0;
}
void pmsis_exit(int code) { exit(code); }
void pi_open_from_conf(pi_device_t* device, void* conf) { device->config = conf; }
void pi_cluster_conf_init(struct pi_cluster_conf* conf) { memset(conf, 0, sizeof *conf); }
int pi_cluster_open(pi_device_t* device) { return device == NULL; }
int pi_cluster_close(pi_device_t* device) { return device == NULL; }
struct pi_cluster_task* pi_cluster_task(struct pi_cluster_task* task, void (*entry)(void*),
                                        void* arg) {
  memset(task, 0, sizeof *task);
  task->entry = entry;
  task->arg = arg;
  return task;
}
int pi_cluster_send_task_to_cl(pi_device_t* device, struct pi_cluster_task* task) {
  task->entry(task->arg);
  return device == NULL;
}

// What memory holds before it is written is not 0.
static void* filled(size_t size) { return memset(some(malloc(size + 1)), 0xa5, size); }
void* pi_l2_malloc(int size) { return filled((size_t)size); }
void pi_l2_free(void* chunk, int size) {
  (void)size;
  free(chunk);
}
void* pi_cl_l1_malloc(pi_device_t* cluster, uint32_t size) {
  (void)cluster;
  return filled(size);
}
void pi_cl_l1_free(pi_device_t* cluster, void* chunk, int size) {
  (void)cluster;
  pi_l2_free(chunk, size);
}

// Transfers that nothing has waited for yet, in the order in which they were asked for.

typedef struct transfer {
  struct transfer* next;
  uint32_t id;  // of counter or request
  const uint8_t* from;
  uint8_t* to;
  uint32_t size, length, from_stride, to_stride;
} transfer_t;
static transfer_t *dma_transfers = NULL, *ram_transfers = NULL;
static int counter_used[DMA_COUNTERS];
static uint32_t last_counter[NUM_CORES];

static int transfers_left(void) { return dma_transfers != NULL || ram_transfers != NULL; }

static void ask(transfer_t** list, transfer_t transfer) {
  transfer_t* last = some(malloc(sizeof *last));
  *last = transfer;
  last->next = NULL;
  while (*list != NULL) list = &(*list)->next;
  *list = last;
}

static void copy_lines(const transfer_t* transfer) {
  const uint8_t* from = transfer->from;
  uint8_t* to = transfer->to;
  for (uint32_t left = transfer->size; left > 0;) {
    const uint32_t line = left < transfer->length ? left : transfer->length;
    bring(to, from, line);
    from += transfer->from_stride;
    to += transfer->to_stride;
    left -= line;
  }
}

static void finish(transfer_t** list, uint32_t id) {
  while (*list != NULL) {
    transfer_t* transfer = *list;
    if (transfer->id != id) {
      list = &transfer->next;
      continue;
    }
    copy_lines(transfer);
    *list = transfer->next;
    free(transfer);
  }
}

static void start_dma(pi_cl_dma_copy_t* copy, uint32_t length, uint32_t stride) {
  if (!copy->merge) {
    copy->id = 0;
    while (copy->id < DMA_COUNTERS && counter_used[copy->id]) ++copy->id;
    if (copy->id == DMA_COUNTERS) stop("all 16 counters of the DMA are in use");
    counter_used[copy->id] = 1;
    last_counter[pi_core_id()] = copy->id;
  }
  if (copy->id != last_counter[pi_core_id()])
    stop("a transfer under a counter that is not the core's last");
  if (copy->size == 0) return;
  if (length == 0) stop("lines of no bytes");
  uint8_t *ext = (uint8_t*)copy->ext, *loc = (uint8_t*)copy->loc;
  transfer_t transfer = {.id = copy->id, .size = copy->size, .length = length};
  if (copy->dir == PI_CL_DMA_DIR_EXT2LOC) {
    transfer.from = ext, transfer.to = loc;
    transfer.from_stride = stride, transfer.to_stride = length;
  } else {
    transfer.from = loc, transfer.to = ext;
    transfer.from_stride = length, transfer.to_stride = stride;
  }
  ask(&dma_transfers, transfer);
}

void pi_cl_dma_memcpy(pi_cl_dma_copy_t* copy) { start_dma(copy, copy->size, copy->size); }
void pi_cl_dma_memcpy_2d(pi_cl_dma_copy_t* copy) { start_dma(copy, copy->length, copy->stride); }
void pi_cl_dma_wait(void* copy) {
  const uint32_t id = ((pi_cl_dma_copy_t*)copy)->id;
  finish(&dma_transfers, id);
  counter_used[id] = 0;
}

// RAM.

static uint8_t* ram = NULL;
static uint32_t ram_bytes = 0, requests = 0;

void pi_hyperram_conf_init(struct pi_hyperram_conf* conf) { memset(conf, 0, sizeof *conf); }
int pi_ram_open(pi_device_t* device) { return device == NULL; }
void pi_ram_close(pi_device_t* device) { (void)device; }
int pi_ram_alloc(pi_device_t* device, uint32_t* addr, uint32_t size) {
  (void)device;
  ram = some(realloc(ram, (size_t)ram_bytes + size + 1));
  memset(ram + ram_bytes, 0xa5, size);
  *addr = ram_bytes;
  ram_bytes += size;
  return 0;
}
int pi_ram_free(pi_device_t* device, uint32_t addr, uint32_t size) {
  return device == NULL || addr + size > ram_bytes;
}

static uint8_t* in_ram(uint32_t addr, uint32_t size) {
  if (addr > ram_bytes || size > ram_bytes - addr) stop("an address beyond the RAM");
  return ram + addr;
}
void pi_ram_read(pi_device_t* device, uint32_t addr, void* data, uint32_t size) {
  (void)device;
  memcpy(data, in_ram(addr, size), size);
}
void pi_ram_write(pi_device_t* device, uint32_t addr, void* data, uint32_t size) {
  (void)device;
  memcpy(in_ram(addr, size), data, size);
}

static void start_ram(int is_read, uint32_t addr, uint8_t* data, uint32_t size, uint32_t stride,
                      uint32_t length, pi_cl_ram_req_t* request) {
  request->id = ++requests;
  if (size == 0) return;
  const uint32_t lines = (size + length - 1) / length;
  uint8_t* there = in_ram(addr, (lines - 1) * stride + length);
  transfer_t transfer = {.id = request->id, .size = size, .length = length};
  if (is_read) {
    transfer.from = there, transfer.to = data;
    transfer.from_stride = stride, transfer.to_stride = length;
  } else {
    transfer.from = data, transfer.to = there;
    transfer.from_stride = length, transfer.to_stride = stride;
  }
  ask(&ram_transfers, transfer);
}

void pi_cl_ram_read(pi_device_t* device, uint32_t addr, void* data, uint32_t size,
                    pi_cl_ram_req_t* request) {
  (void)device;
  start_ram(1, addr, data, size, size, size, request);
}
void pi_cl_ram_write(pi_device_t* device, uint32_t addr, void* data, uint32_t size,
                     pi_cl_ram_req_t* request) {
  (void)device;
  start_ram(0, addr, data, size, size, size, request);
}
void pi_cl_ram_read_2d(pi_device_t* device, uint32_t addr, void* data, uint32_t size,
                       uint32_t stride, uint32_t length, pi_cl_ram_req_t* request) {
  (void)device;
  start_ram(1, addr, data, size, stride, length, request);
}
void pi_cl_ram_write_2d(pi_device_t* device, uint32_t addr, void* data, uint32_t size,
                        uint32_t stride, uint32_t length, pi_cl_ram_req_t* request) {
  (void)device;
  start_ram(0, addr, data, size, stride, length, request);
}
void pi_cl_ram_read_wait(pi_cl_ram_req_t* request) { finish(&ram_transfers, request->id); }
void pi_cl_ram_write_wait(pi_cl_ram_req_t* request) { finish(&ram_transfers, request->id); }

// Files.

void pi_hyperflash_conf_init(struct pi_hyperflash_conf* conf) { memset(conf, 0, sizeof *conf); }
int pi_flash_open(pi_device_t* device) { return device == NULL; }
void pi_flash_close(pi_device_t* device) { (void)device; }
void pi_readfs_conf_init(struct pi_readfs_conf* conf) { memset(conf, 0, sizeof *conf); }
int pi_fs_mount(pi_device_t* device) { return device == NULL; }
void pi_fs_unmount(pi_device_t* device) { (void)device; }

pi_fs_file_t* pi_fs_open(pi_device_t* device, const char* name, int flags) {
  (void)device;
  (void)flags;
  const char* folder = getenv("PI_FILES");
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder == NULL ? "hex" : folder, name);
  FILE* file = fopen(path, "rb");
  if (file == NULL) return NULL;
  pi_fs_file_t* opened = some(malloc(sizeof *opened));
  opened->file = file;
  fseek(file, 0, SEEK_END);
  opened->size = (uint32_t)ftell(file);
  rewind(file);
  return opened;
}
void pi_fs_close(pi_fs_file_t* file) {
  fclose(file->file);
  free(file);
}
int pi_fs_read(pi_fs_file_t* file, void* data, uint32_t size) {
  return (int)fread(data, 1, size, file->file);
}

void pi_perf_conf(uint32_t events) { (void)events; }
void pi_perf_reset(void) {}
void pi_perf_start(void) {}
void pi_perf_stop(void) {}
uint32_t pi_perf_read(int event) {
  (void)event;
  return 0;
}
