/* Console, end of the program, devices, counters and clocks. */
#include "platform.h"

static int put(char c, FILE *file) {
  (void)file;
  PI_REGISTER(PLATFORM_CONSOLE) = (uint8_t)c;
  return (unsigned char)c;
}
static FILE console = FDEV_SETUP_STREAM(put, NULL, NULL, _FDEV_SETUP_WRITE);
FILE *const stdout = &console;
FILE *const stderr = &console;
FILE *const stdin = &console;

void pmsis_exit(int code) {
  for (;;) PI_REGISTER(PLATFORM_CORE_STATUS) = 1u << 31 | ((uint32_t)code & 0x7fffffffu);
}
void _exit(int code) { pmsis_exit(code); }

int pmsis_kickoff(void *entry) {
  ((void (*)(void))entry)();
  return 0;
}

int pi_open(pi_device_t *device) {
  (void)device;
  return 0;
}
void pi_open_from_conf(pi_device_t *device, void *conf) { device->config = conf; }

/* RI5CY's counters: PCER chooses, PCMR lets them count, PCCR0 and on are their values. */
#define CSR(instruction, ...) \
  __asm__ volatile(".option push\n.option arch, +zicsr\n" instruction "\n.option pop" __VA_ARGS__)

void pi_perf_conf(uint32_t events) { CSR("csrw 0x7a0, %0", ::"r"(events)); }
void pi_perf_reset(void) { CSR("csrw 0x79f, x0", ::: "memory"); }
void pi_perf_start(void) { CSR("csrw 0x7a1, %0", ::"r"(1) : "memory"); }
void pi_perf_stop(void) { CSR("csrw 0x7a1, x0", ::: "memory"); }

#define COUNTER(n)                             \
  case n:                                      \
    CSR("csrr %0, 0x780 + " #n, : "=r"(value)); \
    break
uint32_t pi_perf_read(int event) {
  uint32_t value = 0;
  switch (event) {
    COUNTER(0);
    COUNTER(1);
    COUNTER(2);
    COUNTER(3);
    COUNTER(4);
    COUNTER(5);
    COUNTER(6);
    COUNTER(7);
    COUNTER(8);
    COUNTER(9);
    COUNTER(10);
    COUNTER(12);
    COUNTER(13);
    COUNTER(14);
    COUNTER(15);
    COUNTER(16);
    COUNTER(17);
    default:
      break;
  }
  return value;
}

int pi_freq_set(pi_freq_domain_e domain, uint32_t frequency) {
  (void)domain;
  (void)frequency;
  return 0;
}
uint32_t pi_freq_get(pi_freq_domain_e domain) {
  return PI_REGISTER(domain == PI_FREQ_DOMAIN_CL ? PLATFORM_CLUSTER_CLOCK : PLATFORM_FABRIC_CLOCK);
}

uint32_t pi_time_get_us(void) {
  uint32_t low, high, again;
  do {
    CSR("csrr %0, 0xb80", : "=r"(high));
    CSR("csrr %0, 0xb00", : "=r"(low));
    CSR("csrr %0, 0xb80", : "=r"(again));
  } while (high != again);
  const uint32_t megahertz = PI_REGISTER(PLATFORM_CLUSTER_CLOCK) / 1000000u;
  return (uint32_t)(((uint64_t)high << 32 | low) / (megahertz != 0 ? megahertz : 1u));
}
