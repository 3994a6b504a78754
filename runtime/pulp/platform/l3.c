/* RAM, flash and files beyond L2, over the registers of the model's uDMA. */
/* Small rather than fast: nothing here is called often. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os")
#endif
#include "platform.h"

#define FILES 8

static uint32_t ram_next;
static pi_fs_file_t files[FILES];

static uint32_t begin(uint32_t command, uint32_t address, const void *local, uint32_t size) {
  __asm__ volatile("" ::: "memory");
  PI_REGISTER(PLATFORM_L3_ADDRESS) = address;
  PI_REGISTER(PLATFORM_L3_LOCAL) = (uint32_t)(uintptr_t)local;
  PI_REGISTER(PLATFORM_L3_LENGTH) = size;
  PI_REGISTER(PLATFORM_L3_COMMAND) = command;
  return PI_REGISTER(PLATFORM_L3_COMMAND);
}

static void wait_for(uint32_t id) {
  while ((int32_t)(PI_REGISTER(PLATFORM_L3_DONE) - id) < 0) (void)pi_elw(PI_EU_WAIT_CLEAR);
  __asm__ volatile("" ::: "memory");
}

static void begin_task(uint32_t command, uint32_t address, const void *local, uint32_t size,
                       pi_task_t *task) {
  task->id = begin(command, address, local, size);
}

/* Lines of `length` bytes in L3 that are `stride` apart; they lie without gaps in L2. */
static void begin_lines(uint32_t command, uint32_t address, char *local, uint32_t size,
                        uint32_t stride, uint32_t length, pi_task_t *task) {
  for (uint32_t done = 0; done < size; done += length) {
    const uint32_t line = size - done < length ? size - done : length;
    begin_task(command, address, local + done, line, task);
    address += stride;
  }
}

pi_task_t *pi_task_block(pi_task_t *task) {
  memset(task, 0, sizeof *task);
  return task;
}
void pi_task_wait_on(pi_task_t *task) { wait_for(task->id); }

void pi_hyperram_conf_init(struct pi_hyperram_conf *conf) { memset(conf, 0, sizeof *conf); }
int pi_ram_open(pi_device_t *device) {
  (void)device;
  return 0;
}
void pi_ram_close(pi_device_t *device) { (void)device; }

int pi_ram_alloc(pi_device_t *device, uint32_t *addr, uint32_t size) {
  (void)device;
  const uint32_t need = (size + 3u) & ~3u, room = PI_REGISTER(PLATFORM_L3_SIZE) - ram_next;
  if (need < size || need > room) return -1;
  *addr = ram_next;
  ram_next += need;
  return 0;
}
/* What was allocated last can be used again. */
int pi_ram_free(pi_device_t *device, uint32_t addr, uint32_t size) {
  (void)device;
  if (addr + ((size + 3u) & ~3u) == ram_next) ram_next = addr;
  return 0;
}

void pi_ram_read(pi_device_t *device, uint32_t addr, void *data, uint32_t size) {
  (void)device;
  wait_for(begin(PLATFORM_L3_READ, addr, data, size));
}
void pi_ram_write(pi_device_t *device, uint32_t addr, void *data, uint32_t size) {
  (void)device;
  wait_for(begin(PLATFORM_L3_WRITE, addr, data, size));
}
void pi_ram_read_async(pi_device_t *device, uint32_t addr, void *data, uint32_t size,
                       pi_task_t *task) {
  (void)device;
  begin_task(PLATFORM_L3_READ, addr, data, size, task);
}
void pi_ram_write_async(pi_device_t *device, uint32_t addr, void *data, uint32_t size,
                        pi_task_t *task) {
  (void)device;
  begin_task(PLATFORM_L3_WRITE, addr, data, size, task);
}
void pi_ram_read_2d(pi_device_t *device, uint32_t addr, void *data, uint32_t size, uint32_t stride,
                    uint32_t length) {
  pi_task_t task = {0};
  pi_cl_ram_read_2d(device, addr, data, size, stride, length, &task);
  pi_task_wait_on(&task);
}
void pi_ram_write_2d(pi_device_t *device, uint32_t addr, void *data, uint32_t size, uint32_t stride,
                     uint32_t length) {
  pi_task_t task = {0};
  pi_cl_ram_write_2d(device, addr, data, size, stride, length, &task);
  pi_task_wait_on(&task);
}

void pi_cl_ram_read(pi_device_t *device, uint32_t addr, void *data, uint32_t size,
                    pi_cl_ram_req_t *request) {
  pi_ram_read_async(device, addr, data, size, request);
}
void pi_cl_ram_write(pi_device_t *device, uint32_t addr, void *data, uint32_t size,
                     pi_cl_ram_req_t *request) {
  pi_ram_write_async(device, addr, data, size, request);
}
void pi_cl_ram_read_2d(pi_device_t *device, uint32_t addr, void *data, uint32_t size,
                       uint32_t stride, uint32_t length, pi_cl_ram_req_t *request) {
  (void)device;
  begin_lines(PLATFORM_L3_READ, addr, data, size, stride, length, request);
}
void pi_cl_ram_write_2d(pi_device_t *device, uint32_t addr, void *data, uint32_t size,
                        uint32_t stride, uint32_t length, pi_cl_ram_req_t *request) {
  (void)device;
  begin_lines(PLATFORM_L3_WRITE, addr, data, size, stride, length, request);
}
void pi_cl_ram_read_wait(pi_cl_ram_req_t *request) { wait_for(request->id); }
void pi_cl_ram_write_wait(pi_cl_ram_req_t *request) { wait_for(request->id); }

void pi_hyperflash_conf_init(struct pi_hyperflash_conf *conf) { memset(conf, 0, sizeof *conf); }
int pi_flash_open(pi_device_t *device) {
  (void)device;
  return 0;
}
void pi_flash_close(pi_device_t *device) { (void)device; }
void pi_readfs_conf_init(struct pi_readfs_conf *conf) { memset(conf, 0, sizeof *conf); }
int pi_fs_mount(pi_device_t *device) {
  (void)device;
  return 0;
}
void pi_fs_unmount(pi_device_t *device) { (void)device; }

pi_fs_file_t *pi_fs_open(pi_device_t *device, const char *name, int flags) {
  (void)device;
  (void)flags;
  __asm__ volatile("" ::: "memory");
  for (int i = 0; i < FILES; ++i) {
    if (files[i].handle != 0) continue;
    PI_REGISTER(PLATFORM_L3_FILE) = (uint32_t)(uintptr_t)name;
    const uint32_t handle = PI_REGISTER(PLATFORM_L3_FILE);
    if (handle == 0) return NULL;
    files[i].handle = handle;
    files[i].size = PI_REGISTER(PLATFORM_L3_FILE_SIZE);
    files[i].offset = 0;
    return &files[i];
  }
  return NULL;
}

void pi_fs_close(pi_fs_file_t *file) { file->handle = 0; }

int pi_fs_read(pi_fs_file_t *file, void *data, uint32_t size) {
  const uint32_t left = file->size - file->offset, count = size < left ? size : left;
  if (count == 0) return 0;
  PI_REGISTER(PLATFORM_L3_FILE) = file->handle;
  wait_for(begin(PLATFORM_L3_READ_FILE, file->offset, data, count));
  file->offset += count;
  return (int)count;
}

int pi_fs_seek(pi_fs_file_t *file, uint32_t offset) {
  if (offset > file->size) return -1;
  file->offset = offset;
  return 0;
}
