"""Programs of a PULP cluster: C compiled with Debian's RISC-V compiler for runtime/pulp/platform, and run."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from browser import BrowserTest
from support import ROOT

PLATFORM = ROOT / "runtime" / "pulp" / "platform"
COMPILER = "riscv64-unknown-elf-gcc"
FLAGS = ["-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs", "-O2", "-Wall", "-Werror", "-ffunction-sections",
         "-fdata-sections", "-DPICOLIBC_INTEGER_PRINTF_SCANF", f"-I{PLATFORM}", "-nostartfiles",
         f"-T{PLATFORM}/link.ld", "-Wl,--gc-sections"]

# 64 numbers through L3, L2 and L1; eight cores add them up, each with a dot product of SIMD.
PROGRAM = r"""
#include "pmsis.h"
static int data[64];
static PI_L1 int numbers[64], sums[8];
static int sdot(int sum, int a, int b) {
  __asm__(".insn r 0x57, 1, 0x5c, %0, %1, %2" : "+r"(sum) : "r"(a), "r"(b));
  return sum;
}
static void add(void *unused) {
  (void)unused;
  const uint32_t core = pi_core_id();
  int sum = 0;
  for (uint32_t i = core; i < 64; i += 8) sum += sdot(0, numbers[i], 0x01010101);
  sums[core] = sum;
  pi_cl_team_barrier();
}
static void cluster(void *result) {
  pi_cl_dma_cmd_t command;
  pi_cl_dma_cmd((uint32_t)data, (uint32_t)numbers, sizeof data, PI_CL_DMA_DIR_EXT2LOC, &command);
  pi_cl_dma_cmd_wait(&command);
  pi_perf_conf(1 << PI_PERF_CYCLES | 1 << PI_PERF_INSTR);
  pi_perf_reset();
  pi_perf_start();
  pi_cl_team_fork(0, add, 0);
  pi_perf_stop();
  for (int i = 0; i < 8; ++i) *(int *)result += sums[i];
  if (pi_perf_read(PI_PERF_CYCLES) <= pi_perf_read(PI_PERF_INSTR)) *(int *)result = -1;
}
int main(void) {
  uint32_t ram;
  int result = 0;
  struct pi_cluster_task task;
  for (int i = 0; i < 64; ++i) data[i] = i;
  pi_ram_alloc(NULL, &ram, sizeof data);
  pi_ram_write(NULL, ram, data, sizeof data);
  memset(data, 0, sizeof data);
  pi_ram_read(NULL, ram, data, sizeof data);
  pi_fs_file_t *file = pi_fs_open(NULL, "more.bin", 0);
  uint8_t more[4] = {0};
  if (file == NULL || pi_fs_read(file, more, 8) != 4) return 2;
  pi_cluster_send_task_to_cl(NULL, pi_cluster_task(&task, cluster, &result));
  printf("sum %d, more %d\n", result, more[3]);
  return result == 64 * 63 / 2 ? 0 : 1;
}
"""


class Programs:
    """A folder to compile C in, and to run it."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "files").mkdir()
        (self.folder / "files" / "more.bin").write_bytes(bytes([1, 2, 3, 77]))

    def compile(self, text, *flags):
        (self.folder / "main.c").write_text(text)
        sources = [PLATFORM / name for name in ("crt0.S", "cluster.c", "heap.c", "l3.c", "memory.c", "system.c")]
        subprocess.run([COMPILER, *FLAGS, *flags, "main.c", *map(str, sources), "-o", "main.elf"], cwd=self.folder, check=True)

    def execute(self, *options):
        command = [os.environ["WORKBENCH"], "execute", "main.elf", "--files", "files", *options]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True)


@unittest.skipUnless(shutil.which(COMPILER), f"{COMPILER} is not installed")
class Execute(Programs, unittest.TestCase):
    def test_a_program_of_all_memories_and_cores(self):
        self.compile(PROGRAM)
        done = self.execute("--json", "run.json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith("sum 2016, more 77\n"), done.stdout)
        run = json.loads((self.folder / "run.json").read_text())
        self.assertEqual((run["exit_code"], run["console"]), (0, "sum 2016, more 77\n"))
        self.assertEqual((run["dma"]["bytes_to_l1"], run["l3"]["transfers"]), (256, 3))
        self.assertEqual(len(run["cores"]), 9)
        for core in run["cores"]:
            causes = [value for key, value in core.items() if key not in ("core", "cycles")]
            self.assertEqual(core["cycles"], sum(causes))
        add = next(function for function in run["functions"] if function["name"] == "add")
        self.assertEqual([core["calls"]["count"] for core in add["cores"]], [1] * 8)
        self.assertIn("pv.sdotsp.b", " ".join(one["text"] for one in add["instructions"]))

    def test_each_core_waits_for_its_own_transfers(self):
        self.compile(r"""
#include "pmsis.h"
static int data[8][64];
static PI_L1 int copies[8][64];
static void copy(void *sum) {
  const uint32_t core = pi_core_id();
  const uint32_t id = pi_mchan_allocate();
  pi_cl_team_barrier();  // all have taken one before any goes on
  for (int part = 0; part < 4; ++part) {
    pi_mchan_push((uint32_t)&data[core][16 * part], (uint32_t)&copies[core][16 * part], 64, 1);
  }
  pi_mchan_wait(id);
  pi_mchan_free(id);
  for (int i = 0; i < 64; ++i) ((volatile int *)sum)[core] += copies[core][i];
}
static void cluster(void *sum) { pi_cl_team_fork(0, copy, sum); }
int main(void) {
  static int sum[8];
  struct pi_cluster_task task;
  for (int i = 0; i < 512; ++i) data[i / 64][i % 64] = i;
  pi_cluster_send_task_to_cl(NULL, pi_cluster_task(&task, cluster, sum));
  for (int core = 0; core < 8; ++core) {
    if (sum[core] != 64 * 64 * core + 2016) return 1 + core;
  }
  return 0;
}
""")
        done = self.execute()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("DMA: 32 commands, 2048 bytes to L1", done.stdout)

    def test_the_same_bytes_each_time(self):
        self.compile(PROGRAM)
        for name in ("first.json", "second.json"):
            self.execute("--json", name)
        first, second = ((self.folder / name).read_text() for name in ("first.json", "second.json"))
        self.assertEqual(first, second)

    def test_a_missing_core_at_a_barrier_is_told(self):
        self.compile(PROGRAM.replace("  pi_cl_team_barrier();", "  if (core != 3) pi_cl_team_barrier();"))
        done = self.execute()
        self.assertEqual(done.returncode, 2)
        self.assertIn("all cores sleep for good", done.stderr)

    def test_another_sum_is_another_exit_code(self):
        self.compile(PROGRAM.replace("0x5c", "0x4c"))  # dotsp instead of the one that adds: the same here
        self.assertEqual(self.execute().returncode, 0)
        self.compile(PROGRAM.replace("0x01010101", "0x01010102"))
        self.assertEqual(self.execute().returncode, 1)


    def test_cycles_by_line_and_by_call_path(self):
        self.compile(PROGRAM, "-g")
        done = self.execute("--profile", "--json", "run.json", "--folded", "run.folded")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("for (int i = 0; i < 64; ++i) data[i] = i;", done.stdout)
        run = json.loads((self.folder / "run.json").read_text())
        self.assertTrue(any("sum += sdot(" in line["text"] for line in run["lines"]))
        barriers = [line for line in run["lines"] if line["text"].startswith("(void)pi_elw(PI_EU_BARR")]
        self.assertEqual([line["file"].split("/")[-1] for line in barriers], ["pmsis.h"])
        self.assertGreater(barriers[0]["barrier"], 0)
        lines = sum(line["cycles"] for line in run["lines"])
        cores = sum(core["cycles"] for core in run["cores"])
        self.assertLessEqual(lines, cores)
        self.assertGreater(lines, 0.9 * cores)  # all but what libraries have no lines of
        paths = [line.rsplit(" ", 1) for line in (self.folder / "run.folded").read_text().splitlines()]
        for core in ("core 0", "core 7", "FC"):
            cycles = sum(int(n) for path, n in paths if path.split(";")[0] == core)
            self.assertEqual(cycles, run["cycles"])
        self.assertTrue(any(path.endswith(";add") for path, _ in paths), paths)

    def test_a_trace_has_the_calls_of_each_core(self):
        self.compile(PROGRAM)
        done = self.execute("--trace", "run.trace", "--json", "run.json", "--brief")
        self.assertEqual(done.returncode, 0, done.stderr)
        run = json.loads((self.folder / "run.json").read_text())
        events = json.loads((self.folder / "run.trace").read_text())["traceEvents"]
        tracks = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
        self.assertEqual(list(tracks.values()), [*(f"core {k}" for k in range(8)), "fabric controller",
                                                 "dma in", "dma out", "l3"])
        slices = [{**event, **event["args"], "track": tracks[event["tid"]]} for event in events if event["ph"] == "X"]
        add = next(function for function in run["functions"] if function["name"] == "add")
        for core in add["cores"]:
            calls = [one for one in slices if one["name"] == "add" and one["track"] == "core " + core["core"]]
            self.assertEqual(sum(one["cycles"] for one in calls), core["calls"]["cycles"])
        self.assertEqual({one["cat"] for one in slices}, {"call", "sleep", "transfer"})
        # What begins while a call is open ends before it does, so that a viewer nests them.
        for track in list(tracks.values())[:9]:
            open_until = []
            for one in (one for one in slices if one["track"] == track):
                end = one["begin_cycle"] + one["cycles"]
                while open_until and open_until[-1] <= one["begin_cycle"]:
                    open_until.pop()
                self.assertLessEqual(end, min(open_until, default=run["cycles"]))
                open_until.append(end)

    def test_without_debug_information_there_are_no_lines(self):
        self.compile(PROGRAM, "-g0")
        done = self.execute("--profile")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("add ", done.stdout)


@unittest.skipUnless(shutil.which(COMPILER), f"{COMPILER} is not installed")
class Page(Programs, BrowserTest):
    def test_the_page_has_lines_functions_and_cores(self):
        self.compile(PROGRAM, "-g")
        self.execute("--brief", "--html", "run.html")
        self.browser.console()
        self.browser.open(self.folder / "run.html")
        self.browser.wait("return document.querySelectorAll('#cores tbody tr').length == 9")
        self.assertEqual(self.browser.console(), [])
        lines = self.browser.run("return document.querySelector('#lines tbody').innerText")
        self.assertIn("sum += sdot(0, numbers[i], 0x01010101);", lines)
        functions = self.browser.run("return document.querySelector('#functions tbody').innerText")
        self.assertIn("pi_cl_team_fork", functions)


if __name__ == "__main__":
    unittest.main()
