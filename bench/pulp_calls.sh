#!/usr/bin/env bash
# Kernel calls in the transaction tier and executed, side by side (pulp_calls.cpp):
#     bench/pulp_calls.sh HW CALLS
# HW: a machine of configs/, or its file. BUILD: the build folder; DEFINES: of the kernels, by default those of a network of bytes alone.
set -euo pipefail
cd "$(dirname "$0")/.."
hw=$1 calls=$2
[ -f "$hw" ] || hw=configs/$hw.yaml
build=${BUILD:-build/release} folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$build/bench/pulp_calls" "$hw" "$calls" > "$folder/calls.inc"
PLATFORM=runtime/pulp/platform
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32 --specs=picolibc.specs -O2 -ffunction-sections \
  -fdata-sections -fno-jump-tables -mno-strict-align -DPICOLIBC_INTEGER_PRINTF_SCANF -DNUM_CORES=8 \
  -DARCHI_CLUSTER_NB_PE=8 -DNN_XPULP -DL1_BYTES=45000 ${DEFINES--DNN_BYTES_ONLY} \
  -I"$PLATFORM" -Iruntime/pulp/kernels -I"$folder" bench/pulp_calls.c runtime/pulp/kernels/nn_*.c \
  "$PLATFORM"/{crt0.S,cluster.c,heap.c,l3.c,memory.c,system.c} \
  -nostartfiles -T"$PLATFORM/link.ld" -Wl,--gc-sections -o "$folder/calls.elf"
"$build/workbench" execute "$folder/calls.elf" --hw "$hw" > "$folder/log" || { tail -5 "$folder/log"; exit 1; }
"$build/bench/pulp_calls" "$hw" "$calls" "$folder/log"
