# For a Makefile of a program on the detailed tier: PLATFORM is this folder. It gives the compiler,
# its flags and the rule for the runtime:
#
#     PLATFORM = .../runtime/pulp/platform
#     include $(PLATFORM)/platform.mk
#     app.elf: main.c
#     	$(PULP_CC) $(PULP_CFLAGS) main.c $(PULP_RUNTIME) $(PULP_LDFLAGS) -o $@
PULP_CC ?= riscv64-unknown-elf-gcc
PULP_CFLAGS = -march=rv32imc -mabi=ilp32 --specs=picolibc.specs -O2 -g -ffunction-sections \
  -fdata-sections -fno-jump-tables -DPICOLIBC_INTEGER_PRINTF_SCANF -I$(PLATFORM)
PULP_RUNTIME = $(addprefix $(PLATFORM)/,crt0.S cluster.c heap.c l3.c memory.c system.c)
PULP_LDFLAGS = -nostartfiles -T$(PLATFORM)/link.ld -Wl,--gc-sections
