/* Where every core begins. The fabric controller runs main(); the cores of the cluster sleep at the
 * event unit's dispatcher, and run what it hands them. */
  .option arch, +zicsr
  .equ EVENT_UNIT, 0x10204000
  .equ DISPATCH, 0x80
  .equ BARRIER_WAIT, 0x21c
  .equ EVENTS, (1 << 8) | (1 << 30) | 1   /* DMA, L3, and the runtime's own */

  .section .init, "ax"
  .globl _start
_start:
  .option push
  .option norelax
  la gp, __global_pointer$
  .option pop
  la tp, __tls_start
  li s0, EVENT_UNIT
  li t0, EVENTS
  sw t0, 0(s0)
  csrr t0, mhartid
  srli t1, t0, 5
  beqz t1, cluster_core

  la sp, __fc_stack_top
  call main
  call pmsis_exit

cluster_core:
wait_for_work:
  .insn i 0x03, 6, s1, DISPATCH(s0)   /* p.elw: the function */
  .insn i 0x03, 6, a0, DISPATCH(s0)   /* its argument */
  jalr s1
  .insn i 0x03, 6, zero, BARRIER_WAIT(s0)
  j wait_for_work

/* Dispatched first: a0 is the first byte behind core 0's stack; pi_slave_stack_size each above it. */
  .section .text.pi_set_stack, "ax"
  .globl pi_set_stack
pi_set_stack:
  csrr t0, mhartid
  andi t0, t0, 31
  la t1, pi_slave_stack_size
  lw t1, 0(t1)
  mul t0, t0, t1
  add sp, a0, t0
  ret
