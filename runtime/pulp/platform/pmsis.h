/* The part of PMSIS, PULP's API, that generated networks and kernels use, for programs that run on
 * the detailed tier (docs/detailed-tier.md). Names, arguments and meaning are those of PMSIS, so
 * that a program builds with the PULP SDK's header of this name as well. */
#ifndef WORKBENCH_PMSIS_H
#define WORKBENCH_PMSIS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ARCHI_CLUSTER_NB_PE
#define ARCHI_CLUSTER_NB_PE 8
#endif

/* Where a variable lives; without them in L2. */
#define PI_L1 __attribute__((section(".data_l1")))
#define PI_CL_L1 PI_L1
#define PI_L2 __attribute__((section(".data")))
#define PI_FC_L1 PI_L2

typedef struct pi_device {
  void *config;
  void *data;
} pi_device_t;

typedef struct pi_task {
  uint32_t id;
  int32_t done;
} pi_task_t;

pi_task_t *pi_task_block(pi_task_t *task);
void pi_task_wait_on(pi_task_t *task);

int pmsis_kickoff(void *entry);
void pmsis_exit(int code) __attribute__((noreturn));
int pi_open(pi_device_t *device);
void pi_open_from_conf(pi_device_t *device, void *conf);

/* ------------------------------------------------------------------ cores */
static inline uint32_t pi_hart_id(void) {
  uint32_t id;
  __asm__ volatile(".option push\n.option arch, +zicsr\ncsrr %0, mhartid\n.option pop"
                   : "=r"(id));
  return id;
}
static inline uint32_t pi_core_id(void) { return pi_hart_id() & 0x1f; }
static inline uint32_t pi_cluster_id(void) { return pi_hart_id() >> 5; }
static inline int pi_is_fc(void) { return pi_cluster_id() == 31; }

/* ------------------------------------------------------------------ event unit */
/* Registers of the core's own port of the event unit (event_unit_flex). */
#define PI_EU_BASE 0x10204000u
#define PI_EU_MASK 0x00u
#define PI_EU_MASK_AND 0x04u
#define PI_EU_MASK_OR 0x08u
#define PI_EU_BUFFER 0x1cu
#define PI_EU_BUFFER_CLEAR 0x28u
#define PI_EU_WAIT 0x38u
#define PI_EU_WAIT_CLEAR 0x3cu
#define PI_EU_DISPATCH 0x80u
#define PI_EU_TEAM 0x84u
#define PI_EU_MUTEX 0xc0u
#define PI_EU_SW_EVENT 0x100u /* + 4 * event: written with a mask of cores, 0: all */
#define PI_EU_BARRIER 0x200u  /* + 0x20 * barrier */
#define PI_EU_BARRIER_TRIGGER_MASK 0x00u
#define PI_EU_BARRIER_TARGET_MASK 0x0cu
#define PI_EU_BARRIER_WAIT_CLEAR 0x1cu
#define PI_EVENT_DMA 8
#define PI_EVENT_SOC 30

#define PI_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* p.elw: a load that the event unit answers when what it waits for has happened; the core sleeps
 * until then. */
#define pi_elw(offset)                                        \
  __extension__({                                             \
    uint32_t pi_elw_value;                                    \
    __asm__ volatile(".insn i 0x03, 6, %0, %2(%1)"            \
                     : "=r"(pi_elw_value)                     \
                     : "r"(PI_EU_BASE), "i"(offset)           \
                     : "memory");                             \
    pi_elw_value;                                             \
  })

/* ------------------------------------------------------------------ cluster */
struct pi_cluster_conf {
  uint32_t id;
  uint32_t cc_stack_size;
};

struct pi_cluster_task {
  void (*entry)(void *);
  void *arg;
  void *stacks;
  uint32_t stack_size;       /* of core 0; 0: 4096 */
  uint32_t slave_stack_size; /* of each other core; 0: as core 0 */
  int nb_cores;              /* 0: all */
};

void pi_cluster_conf_init(struct pi_cluster_conf *conf);
int pi_cluster_open(pi_device_t *device);
int pi_cluster_close(pi_device_t *device);
struct pi_cluster_task *pi_cluster_task(struct pi_cluster_task *task, void (*entry)(void *),
                                        void *arg);
/* Of the fabric controller: entry(arg) on core 0 of the cluster; returns when that has. */
int pi_cluster_send_task_to_cl(pi_device_t *device, struct pi_cluster_task *task);
int pi_cluster_send_task(pi_device_t *device, struct pi_cluster_task *task);

/* Of core 0: entry(arg) on cores 0 to n - 1, n = 0: the team of before (at first all). Returns when
 * all of them have. */
void pi_cl_team_fork(int n, void (*entry)(void *), void *arg);
int pi_cl_team_nb_cores(void);
static inline int pi_cl_cluster_nb_cores(void) { return ARCHI_CLUSTER_NB_PE; }
static inline void pi_cl_team_barrier(void) {
  (void)pi_elw(PI_EU_BARRIER + PI_EU_BARRIER_WAIT_CLEAR);
}
static inline void pi_cl_team_critical_enter(void) { (void)pi_elw(PI_EU_MUTEX); }
static inline void pi_cl_team_critical_exit(void) {
  __asm__ volatile("" ::: "memory");
  PI_REGISTER(PI_EU_BASE + PI_EU_MUTEX) = 0;
}

/* ------------------------------------------------------------------ memory */
void *pi_l2_malloc(int size);
void pi_l2_free(void *chunk, int size);
void *pi_cl_l1_malloc(pi_device_t *cluster, uint32_t size);
void pi_cl_l1_free(pi_device_t *cluster, void *chunk, int size);
void *pi_l1_malloc(pi_device_t *cluster, uint32_t size);
void pi_l1_free(pi_device_t *cluster, void *chunk, int size);
void *pmsis_l2_malloc(uint32_t size);
void *pmsis_l1_malloc(uint32_t size);

/* ------------------------------------------------------------------ cluster DMA */
/* mchan, at the core's own port. A command is what its words say (docs/facts/pulp.md 1.5). */
#ifndef PI_MCHAN_VERSION
#define PI_MCHAN_VERSION 7
#endif
#define PI_MCHAN_BASE 0x10204400u
#define PI_MCHAN_COMMAND (PI_MCHAN_BASE + 0u)
#define PI_MCHAN_STATUS (PI_MCHAN_BASE + 4u)
#if PI_MCHAN_VERSION >= 7
#define PI_MCHAN_TYPE_BIT 17 /* 1: L2 to L1 */
#else
#define PI_MCHAN_TYPE_BIT 16
#endif
#define PI_MCHAN_INCREMENT_BIT (PI_MCHAN_TYPE_BIT + 1)
#define PI_MCHAN_2D_BIT (PI_MCHAN_TYPE_BIT + 2)
#define PI_MCHAN_EVENT_BIT (PI_MCHAN_TYPE_BIT + 3)
#define PI_MCHAN_LENGTH_MAX ((1u << PI_MCHAN_TYPE_BIT) - 1u)

typedef enum { PI_CL_DMA_DIR_LOC2EXT = 0, PI_CL_DMA_DIR_EXT2LOC = 1 } pi_cl_dma_dir_e;

typedef struct {
  uint32_t id;
} pi_cl_dma_cmd_t;

typedef struct {
  uint32_t ext;
  uint32_t loc;
  uint32_t id;
  uint16_t size;
  pi_cl_dma_dir_e dir;
  uint8_t merge; /* 1: counted with the transfer of `id` */
  uint32_t stride;
  uint32_t length;
} pi_cl_dma_copy_t;

static inline uint32_t pi_mchan_allocate(void) { return PI_REGISTER(PI_MCHAN_COMMAND); }
static inline void pi_mchan_push(uint32_t ext, uint32_t loc, uint32_t size, uint32_t to_l1) {
  PI_REGISTER(PI_MCHAN_COMMAND) = size | to_l1 << PI_MCHAN_TYPE_BIT | 1u << PI_MCHAN_INCREMENT_BIT |
                                  1u << PI_MCHAN_EVENT_BIT;
  PI_REGISTER(PI_MCHAN_COMMAND) = loc;
  PI_REGISTER(PI_MCHAN_COMMAND) = ext;
}
/* `size` bytes in all, lines of `length` that are `stride` apart in L2. */
static inline void pi_mchan_push_2d(uint32_t ext, uint32_t loc, uint32_t size, uint32_t stride,
                                    uint32_t length, uint32_t to_l1) {
  PI_REGISTER(PI_MCHAN_COMMAND) = size | to_l1 << PI_MCHAN_TYPE_BIT | 1u << PI_MCHAN_INCREMENT_BIT |
                                  1u << PI_MCHAN_2D_BIT | 1u << PI_MCHAN_EVENT_BIT;
  PI_REGISTER(PI_MCHAN_COMMAND) = loc;
  PI_REGISTER(PI_MCHAN_COMMAND) = ext;
#if PI_MCHAN_VERSION >= 7
  PI_REGISTER(PI_MCHAN_COMMAND) = length;
  PI_REGISTER(PI_MCHAN_COMMAND) = stride;
#else
  PI_REGISTER(PI_MCHAN_COMMAND) = length | stride << 16;
#endif
}
static inline void pi_mchan_wait(uint32_t id) {
  __asm__ volatile("" ::: "memory");
  while ((PI_REGISTER(PI_MCHAN_STATUS) >> id & 1u) != 0) (void)pi_elw(PI_EU_WAIT_CLEAR);
  __asm__ volatile("" ::: "memory");
}
static inline void pi_mchan_free(uint32_t id) { PI_REGISTER(PI_MCHAN_STATUS) = 1u << id; }

static inline void pi_cl_dma_cmd(uint32_t ext, uint32_t loc, uint32_t size, pi_cl_dma_dir_e dir,
                                 pi_cl_dma_cmd_t *cmd) {
  __asm__ volatile("" ::: "memory");
  cmd->id = pi_mchan_allocate();
  pi_mchan_push(ext, loc, size, (uint32_t)dir);
}
static inline void pi_cl_dma_cmd_2d(uint32_t ext, uint32_t loc, uint32_t size, uint32_t stride,
                                    uint32_t length, pi_cl_dma_dir_e dir, pi_cl_dma_cmd_t *cmd) {
  __asm__ volatile("" ::: "memory");
  cmd->id = pi_mchan_allocate();
  pi_mchan_push_2d(ext, loc, size, stride, length, (uint32_t)dir);
}
static inline void pi_cl_dma_cmd_wait(pi_cl_dma_cmd_t *cmd) {
  pi_mchan_wait(cmd->id);
  pi_mchan_free(cmd->id);
}
static inline void pi_cl_dma_memcpy(pi_cl_dma_copy_t *copy) {
  __asm__ volatile("" ::: "memory");
  if (!copy->merge) copy->id = pi_mchan_allocate();
  pi_mchan_push(copy->ext, copy->loc, copy->size, (uint32_t)copy->dir);
}
static inline void pi_cl_dma_memcpy_2d(pi_cl_dma_copy_t *copy) {
  __asm__ volatile("" ::: "memory");
  if (!copy->merge) copy->id = pi_mchan_allocate();
  pi_mchan_push_2d(copy->ext, copy->loc, copy->size, copy->stride, copy->length,
                   (uint32_t)copy->dir);
}
static inline void pi_cl_dma_wait(void *copy) {
  const uint32_t id = ((pi_cl_dma_copy_t *)copy)->id;
  pi_mchan_wait(id);
  pi_mchan_free(id);
}
static inline void pi_cl_dma_flush(void) {
  __asm__ volatile("" ::: "memory");
  while ((PI_REGISTER(PI_MCHAN_STATUS) & 0xffffu) != 0) (void)pi_elw(PI_EU_WAIT_CLEAR);
}

/* ------------------------------------------------------------------ L3: RAM, flash, files */
struct pi_hyperram_conf {
  uint32_t ram_size;
};
struct pi_hyperflash_conf {
  uint32_t flash_size;
};
struct pi_fs_conf {
  pi_device_t *flash;
};
struct pi_readfs_conf {
  struct pi_fs_conf fs;
};
typedef struct pi_fs_file {
  uint32_t handle;
  uint32_t size;
  uint32_t offset;
} pi_fs_file_t;
typedef pi_task_t pi_cl_ram_req_t;
typedef pi_task_t pi_cl_fs_req_t;
typedef struct {
  uint32_t result;
} pi_cl_ram_alloc_req_t;

void pi_hyperram_conf_init(struct pi_hyperram_conf *conf);
int pi_ram_open(pi_device_t *device);
void pi_ram_close(pi_device_t *device);
int pi_ram_alloc(pi_device_t *device, uint32_t *addr, uint32_t size); /* 0: there was room */
int pi_ram_free(pi_device_t *device, uint32_t addr, uint32_t size);
void pi_ram_read(pi_device_t *device, uint32_t addr, void *data, uint32_t size);
void pi_ram_write(pi_device_t *device, uint32_t addr, void *data, uint32_t size);
void pi_ram_read_async(pi_device_t *device, uint32_t addr, void *data, uint32_t size,
                       pi_task_t *task);
void pi_ram_write_async(pi_device_t *device, uint32_t addr, void *data, uint32_t size,
                        pi_task_t *task);
void pi_ram_read_2d(pi_device_t *device, uint32_t addr, void *data, uint32_t size, uint32_t stride,
                    uint32_t length);
void pi_ram_write_2d(pi_device_t *device, uint32_t addr, void *data, uint32_t size, uint32_t stride,
                     uint32_t length);

/* The same of a core of the cluster. `data` lies in L2. */
void pi_cl_ram_read(pi_device_t *device, uint32_t addr, void *data, uint32_t size,
                    pi_cl_ram_req_t *request);
void pi_cl_ram_write(pi_device_t *device, uint32_t addr, void *data, uint32_t size,
                     pi_cl_ram_req_t *request);
void pi_cl_ram_read_2d(pi_device_t *device, uint32_t addr, void *data, uint32_t size,
                       uint32_t stride, uint32_t length, pi_cl_ram_req_t *request);
void pi_cl_ram_write_2d(pi_device_t *device, uint32_t addr, void *data, uint32_t size,
                        uint32_t stride, uint32_t length, pi_cl_ram_req_t *request);
void pi_cl_ram_read_wait(pi_cl_ram_req_t *request);
void pi_cl_ram_write_wait(pi_cl_ram_req_t *request);

void pi_hyperflash_conf_init(struct pi_hyperflash_conf *conf);
int pi_flash_open(pi_device_t *device);
void pi_flash_close(pi_device_t *device);
void pi_readfs_conf_init(struct pi_readfs_conf *conf);
int pi_fs_mount(pi_device_t *device);
void pi_fs_unmount(pi_device_t *device);
/* Files are those of the folder that `workbench execute --files` names. NULL: there is none. */
pi_fs_file_t *pi_fs_open(pi_device_t *device, const char *name, int flags);
void pi_fs_close(pi_fs_file_t *file);
int pi_fs_read(pi_fs_file_t *file, void *data, uint32_t size); /* bytes read */
int pi_fs_seek(pi_fs_file_t *file, uint32_t offset);

/* ------------------------------------------------------------------ counters, clocks, time */
typedef enum {
  PI_PERF_ACTIVE_CYCLES = 0,
  PI_PERF_INSTR = 1,
  PI_PERF_LD_STALL = 2,
  PI_PERF_JR_STALL = 3,
  PI_PERF_IMISS = 4,
  PI_PERF_LD = 5,
  PI_PERF_ST = 6,
  PI_PERF_JUMP = 7,
  PI_PERF_BRANCH = 8,
  PI_PERF_BTAKEN = 9,
  PI_PERF_RVC = 10,
  PI_PERF_LD_EXT = 12,
  PI_PERF_ST_EXT = 13,
  PI_PERF_LD_EXT_CYC = 14,
  PI_PERF_ST_EXT_CYC = 15,
  PI_PERF_TCDM_CONT = 16,
  PI_PERF_CYCLES = 17
} pi_perf_event_e;

void pi_perf_conf(uint32_t events);
void pi_perf_reset(void);
void pi_perf_start(void);
void pi_perf_stop(void);
uint32_t pi_perf_read(int event);

typedef enum { PI_FREQ_DOMAIN_FC = 0, PI_FREQ_DOMAIN_CL = 1, PI_FREQ_DOMAIN_PERIPH = 2 } pi_freq_domain_e;
/* The clocks are the machine file's: these are accepted and change nothing. */
int pi_freq_set(pi_freq_domain_e domain, uint32_t frequency);
uint32_t pi_freq_get(pi_freq_domain_e domain);
uint32_t pi_time_get_us(void);

#endif
