// RAM (L3) and the files in flash, by the names that DORY's applications have for them.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "pmsis.h"

void mem_init(void);  // or ends the program, saying what does not open
pi_device_t* get_ram_ptr(void);
uint32_t ram_malloc(size_t size);  // or ends the program
void ram_free(uint32_t address, size_t size);
void ram_read(void* to, uint32_t from, size_t size);
void ram_write(uint32_t to, void* from, size_t size);
// A file's bytes to RAM, or to L2; how many. Ends the program where there is no such file, or it is
// longer than `size_max`. `sum`, where not NULL: of the bytes.
size_t load_file_to_ram(uint32_t to, const char* file, size_t size_max, uint32_t* sum);
size_t load_file_to_local(void* to, const char* file, size_t size_max);
