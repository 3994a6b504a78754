/* Tasks of the cluster: how the fabric controller hands one to core 0, and core 0 to the others. */
#include "platform.h"

extern char __l1_heap_begin[], __l1_heap_end[], __l2_heap_begin[], __l2_heap_end[];
void pi_set_stack(void *core_0);

uint32_t pi_slave_stack_size;

static platform_heap_t l1_heap, l2_heap;
static uint32_t team = 1;
static volatile uint32_t task_done;
static int heaps_ready;

#define ALL_CORES ((1u << ARCHI_CLUSTER_NB_PE) - 1u)

static void make_heaps(void) {
  if (heaps_ready) return;
  heaps_ready = 1;
  platform_heap_init(&l1_heap, __l1_heap_begin, __l1_heap_end);
  platform_heap_init(&l2_heap, __l2_heap_begin, __l2_heap_end);
}

static void set_team(uint32_t mask) {
  team = mask;
  PI_REGISTER(PI_EU_BASE + PI_EU_TEAM) = mask;
  PI_REGISTER(PI_EU_BASE + PI_EU_BARRIER + PI_EU_BARRIER_TRIGGER_MASK) = mask;
  PI_REGISTER(PI_EU_BASE + PI_EU_BARRIER + PI_EU_BARRIER_TARGET_MASK) = mask;
}

static void dispatch(void (*entry)(void *), void *arg) {
  __asm__ volatile("" ::: "memory");
  PI_REGISTER(PI_EU_BASE + PI_EU_DISPATCH) = (uint32_t)(uintptr_t)entry;
  PI_REGISTER(PI_EU_BASE + PI_EU_DISPATCH) = (uint32_t)(uintptr_t)arg;
}

/* On core 0, which the fabric controller alone has as its team. */
static void run_task(void *argument) {
  struct pi_cluster_task *task = argument;
  char *top = (char *)task->stacks + task->stack_size;
  const int cores = task->nb_cores > 0 ? task->nb_cores : ARCHI_CLUSTER_NB_PE;
  set_team(ALL_CORES);
  dispatch(pi_set_stack, top);
  pi_cl_team_barrier();
  set_team((1u << cores) - 1u);
  task->entry(task->arg);
  set_team(1);
  task_done = 1;
  PI_REGISTER(PI_EU_BASE + PI_EU_SW_EVENT + 4 * PLATFORM_EVENT) = PLATFORM_FC_MASK;
}

void pi_cluster_conf_init(struct pi_cluster_conf *conf) { memset(conf, 0, sizeof *conf); }

int pi_cluster_open(pi_device_t *device) {
  (void)device;
  make_heaps();
  return 0;
}

int pi_cluster_close(pi_device_t *device) {
  (void)device;
  return 0;
}

struct pi_cluster_task *pi_cluster_task(struct pi_cluster_task *task, void (*entry)(void *),
                                        void *arg) {
  memset(task, 0, sizeof *task);
  task->entry = entry;
  task->arg = arg;
  return task;
}

int pi_cluster_send_task_to_cl(pi_device_t *device, struct pi_cluster_task *task) {
  (void)device;
  make_heaps();
  if (task->nb_cores < 0 || task->nb_cores > ARCHI_CLUSTER_NB_PE) return -1;
  if (task->stack_size == 0) task->stack_size = 4096;
  if (task->slave_stack_size == 0) task->slave_stack_size = task->stack_size;
  task->stack_size = (task->stack_size + 15u) & ~15u;
  task->slave_stack_size = (task->slave_stack_size + 15u) & ~15u;
  const uint32_t bytes = task->stack_size + (ARCHI_CLUSTER_NB_PE - 1) * task->slave_stack_size;
  const int own = task->stacks == NULL;
  if (own) task->stacks = platform_heap_take(&l1_heap, bytes);
  if (task->stacks == NULL) return -1;
  pi_slave_stack_size = task->slave_stack_size;
  task_done = 0;
  set_team(1);
  dispatch(pi_set_stack, (char *)task->stacks + task->stack_size);
  dispatch(run_task, task);
  while (!task_done) (void)pi_elw(PI_EU_WAIT_CLEAR);
  if (own) {
    platform_heap_give(&l1_heap, task->stacks, bytes);
    task->stacks = NULL;
  }
  return 0;
}

int pi_cluster_send_task(pi_device_t *device, struct pi_cluster_task *task) {
  return pi_cluster_send_task_to_cl(device, task);
}

void pi_cl_team_fork(int n, void (*entry)(void *), void *arg) {
  const uint32_t mask = n > 0 ? (n >= ARCHI_CLUSTER_NB_PE ? ALL_CORES : (1u << n) - 1u) : team;
  if (mask != team) set_team(mask);
  if (mask != 1u) dispatch(entry, arg);
  entry(arg);
  pi_cl_team_barrier();
}

int pi_cl_team_nb_cores(void) {
  int cores = 0;
  for (uint32_t mask = team; mask != 0; mask >>= 1) ++cores;
  return cores;
}

void *pi_l2_malloc(int size) {
  make_heaps();
  return size <= 0 ? NULL : platform_heap_take(&l2_heap, (uint32_t)size);
}
void pi_l2_free(void *chunk, int size) { platform_heap_give(&l2_heap, chunk, (uint32_t)size); }
void *pmsis_l2_malloc(uint32_t size) { return pi_l2_malloc((int)size); }

void *pi_cl_l1_malloc(pi_device_t *cluster, uint32_t size) {
  (void)cluster;
  make_heaps();
  return platform_heap_take(&l1_heap, size);
}
void pi_cl_l1_free(pi_device_t *cluster, void *chunk, int size) {
  (void)cluster;
  platform_heap_give(&l1_heap, chunk, (uint32_t)size);
}
void *pi_l1_malloc(pi_device_t *cluster, uint32_t size) { return pi_cl_l1_malloc(cluster, size); }
void pi_l1_free(pi_device_t *cluster, void *chunk, int size) {
  pi_cl_l1_free(cluster, chunk, size);
}
void *pmsis_l1_malloc(uint32_t size) { return pi_cl_l1_malloc(NULL, size); }
