// As much of PMSIS as generated applications call, for the host: the cores of a team take turns,
// each until its next barrier, in an order that turns round at every barrier; transfers take place
// when they are waited for, and not at all when they are not. So an application that depends on
// luck computes something else here.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PI_L1
#define PI_CL_L1
#define PI_L2

typedef struct pi_device {
  void* config;
} pi_device_t;

struct pi_cluster_conf {
  uint32_t id;
};
struct pi_cluster_task {
  void (*entry)(void*);
  void* arg;
  void* stacks;
  uint32_t stack_size, slave_stack_size;
};

int pmsis_kickoff(void* entry);
void pmsis_exit(int code) __attribute__((noreturn));
void pi_open_from_conf(pi_device_t* device, void* conf);
void pi_cluster_conf_init(struct pi_cluster_conf* conf);
int pi_cluster_open(pi_device_t* device);
int pi_cluster_close(pi_device_t* device);
struct pi_cluster_task* pi_cluster_task(struct pi_cluster_task* task, void (*entry)(void*),
                                        void* arg);
int pi_cluster_send_task_to_cl(pi_device_t* device, struct pi_cluster_task* task);
uint32_t pi_core_id(void);
void pi_cl_team_fork(int n, void (*entry)(void*), void* arg);
void pi_cl_team_barrier(void);

void* pi_l2_malloc(int size);
void pi_l2_free(void* chunk, int size);
void* pi_cl_l1_malloc(pi_device_t* cluster, uint32_t size);
void pi_cl_l1_free(pi_device_t* cluster, void* chunk, int size);

// The cluster has 16 counters of transfers.
typedef enum { PI_CL_DMA_DIR_LOC2EXT = 0, PI_CL_DMA_DIR_EXT2LOC = 1 } pi_cl_dma_dir_e;
typedef struct {
  uintptr_t ext, loc;
  uint32_t id;
  uint16_t size;
  pi_cl_dma_dir_e dir;
  uint8_t merge;
  uint32_t stride, length;
} pi_cl_dma_copy_t;
void pi_cl_dma_memcpy(pi_cl_dma_copy_t* copy);
void pi_cl_dma_memcpy_2d(pi_cl_dma_copy_t* copy);
void pi_cl_dma_wait(void* copy);

struct pi_hyperram_conf {
  uint32_t size;
};
struct pi_hyperflash_conf {
  uint32_t size;
};
struct pi_readfs_conf {
  struct {
    pi_device_t* flash;
  } fs;
};
typedef struct {
  FILE* file;
  uint32_t size;
} pi_fs_file_t;
typedef struct {
  uint32_t id;
} pi_cl_ram_req_t;

void pi_hyperram_conf_init(struct pi_hyperram_conf* conf);
int pi_ram_open(pi_device_t* device);
void pi_ram_close(pi_device_t* device);
int pi_ram_alloc(pi_device_t* device, uint32_t* addr, uint32_t size);
int pi_ram_free(pi_device_t* device, uint32_t addr, uint32_t size);
void pi_ram_read(pi_device_t* device, uint32_t addr, void* data, uint32_t size);
void pi_ram_write(pi_device_t* device, uint32_t addr, void* data, uint32_t size);
void pi_cl_ram_read(pi_device_t* device, uint32_t addr, void* data, uint32_t size,
                    pi_cl_ram_req_t* request);
void pi_cl_ram_write(pi_device_t* device, uint32_t addr, void* data, uint32_t size,
                     pi_cl_ram_req_t* request);
void pi_cl_ram_read_2d(pi_device_t* device, uint32_t addr, void* data, uint32_t size,
                       uint32_t stride, uint32_t length, pi_cl_ram_req_t* request);
void pi_cl_ram_write_2d(pi_device_t* device, uint32_t addr, void* data, uint32_t size,
                        uint32_t stride, uint32_t length, pi_cl_ram_req_t* request);
void pi_cl_ram_read_wait(pi_cl_ram_req_t* request);
void pi_cl_ram_write_wait(pi_cl_ram_req_t* request);

// Files are those of the folder `hex`, or of the one that PI_FILES names in the environment.
void pi_hyperflash_conf_init(struct pi_hyperflash_conf* conf);
int pi_flash_open(pi_device_t* device);
void pi_flash_close(pi_device_t* device);
void pi_readfs_conf_init(struct pi_readfs_conf* conf);
int pi_fs_mount(pi_device_t* device);
void pi_fs_unmount(pi_device_t* device);
pi_fs_file_t* pi_fs_open(pi_device_t* device, const char* name, int flags);
void pi_fs_close(pi_fs_file_t* file);
int pi_fs_read(pi_fs_file_t* file, void* data, uint32_t size);

enum { PI_PERF_CYCLES = 17 };  // the host has no cycles: it reads 0
void pi_perf_conf(uint32_t events);
void pi_perf_reset(void);
void pi_perf_start(void);
void pi_perf_stop(void);
uint32_t pi_perf_read(int event);
