#!/usr/bin/env bash
# Kernel calls of a network in the transaction tier and executed, side by side (pulp_tiers.cpp):
#     bench/pulp_tiers.sh HW MODEL [KEY=VALUE ...]
# KEY=VALUE are knobs of the machine file. BUILD: the build folder; OPTIONS: of the compilation, such
# as "--tiler dory"; FOLDER: where the application is left.
set -euo pipefail
cd "$(dirname "$0")/.."
hw=$1 model=$2
shift 2
build=${BUILD:-build/release}
folder=${FOLDER:-$(mktemp -d)}
[ -n "${FOLDER:-}" ] || trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder"
settings=()
for setting in "$@"; do settings+=(--set "$setting"); done
# shellcheck disable=SC2086
"$build/workbench" compile --hw "$hw" "$model" ${OPTIONS:-} "${settings[@]}" --quiet \
  --emit-c "$folder/app" --save-program "$folder/program.wbp" > "$folder/compile.log"
make -s -C "$folder/app" -f Makefile.plain DEFINES="$(sed -n 's/^DEFINES = //p' \
  "$folder/app/vars.mk" | sed 's/\$(NUM_CORES)/8/') -DNETWORK_KERNEL_CYCLES" main.elf
"$build/workbench" execute "$folder/app/main.elf" --hw "$hw" "${settings[@]}" \
  --files "$folder/app/hex" > "$folder/execute.log" || { grep -E "WRONG|error|differ" "$folder/execute.log"; exit 1; }
"$build/bench/pulp_tiers" "configs/$hw.yaml" "$folder/program.wbp" "$folder/execute.log" "$@"
