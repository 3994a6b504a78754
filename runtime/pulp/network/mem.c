// RAM and files (mem.h).
#include "mem.h"

enum { kChunkBytes = 512 };

static pi_device_t ram, flash, fs;
static uint8_t chunk[kChunkBytes];

static void require(int opened, const char* what) {
  if (opened) return;
  printf("error: %s\n", what);
  pmsis_exit(2);
}

void mem_init(void) {
  static struct pi_hyperram_conf ram_conf;
  static struct pi_hyperflash_conf flash_conf;
  static struct pi_readfs_conf fs_conf;
  pi_hyperram_conf_init(&ram_conf);
  pi_open_from_conf(&ram, &ram_conf);
  require(pi_ram_open(&ram) == 0, "the RAM does not open");
  pi_hyperflash_conf_init(&flash_conf);
  pi_open_from_conf(&flash, &flash_conf);
  require(pi_flash_open(&flash) == 0, "the flash does not open");
  pi_readfs_conf_init(&fs_conf);
  fs_conf.fs.flash = &flash;
  pi_open_from_conf(&fs, &fs_conf);
  require(pi_fs_mount(&fs) == 0, "the file system does not mount");
}

pi_device_t* get_ram_ptr(void) { return &ram; }

uint32_t ram_malloc(size_t size) {
  uint32_t address = 0;
  if (size == 0) return 0;
  require(pi_ram_alloc(&ram, &address, (uint32_t)size) == 0, "the RAM is too small");
  return address;
}
void ram_free(uint32_t address, size_t size) {
  if (size > 0) pi_ram_free(&ram, address, (uint32_t)size);
}
void ram_read(void* to, uint32_t from, size_t size) { pi_ram_read(&ram, from, to, (uint32_t)size); }
void ram_write(uint32_t to, void* from, size_t size) { pi_ram_write(&ram, to, from, (uint32_t)size); }

// `take` gets the file chunk by chunk.
static size_t each_chunk(const char* file, size_t size_max, uintptr_t to,
                         void (*take)(uintptr_t to, size_t size)) {
  pi_fs_file_t* opened = pi_fs_open(&fs, file, 0);
  size_t done = 0;
  if (opened == NULL) printf("%s: ", file);
  require(opened != NULL, "no such file in flash");
  for (;;) {
    const int size = pi_fs_read(opened, chunk, kChunkBytes);
    if (size <= 0) break;
    if ((size_t)size > size_max - done) printf("%s: ", file);
    require((size_t)size <= size_max - done, "the file is longer than it was when it was written");
    take(to + done, (size_t)size);
    done += (size_t)size;
  }
  pi_fs_close(opened);
  return done;
}

static uint32_t chunk_sum;
static void chunk_to_ram(uintptr_t to, size_t size) {
  for (size_t i = 0; i < size; ++i) chunk_sum += chunk[i];
  ram_write((uint32_t)to, chunk, size);
}
static void chunk_to_local(uintptr_t to, size_t size) { memcpy((void*)to, chunk, size); }

size_t load_file_to_ram(uint32_t to, const char* file, size_t size_max, uint32_t* sum) {
  chunk_sum = 0;
  const size_t size = each_chunk(file, size_max, to, chunk_to_ram);
  if (sum != NULL) *sum = chunk_sum;
  return size;
}
size_t load_file_to_local(void* to, const char* file, size_t size_max) {
  return each_chunk(file, size_max, (uintptr_t)to, chunk_to_local);
}
