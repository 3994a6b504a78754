"""The application's Makefile for the PULP SDK, with rules and an assembler that stand in for the
SDK's: it knows Xpulp by name, no .insn and no naked functions, as gcc 7.1.1 and binutils 2.28."""
import json
import re
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

from support import ROOT, WORKBENCH, run

COMPILER = "riscv64-unknown-elf-gcc"
KERNELS = ROOT / "runtime/pulp/kernels"
PLATFORM = ROOT / "runtime/pulp/platform"
FLAGS = ["-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs", "-ffunction-sections", "-fdata-sections",
         "-fno-jump-tables", "-mno-strict-align", "-DPICOLIBC_INTEGER_PRINTF_SCANF", f"-I{PLATFORM}"]
OS = [PLATFORM / name for name in ("crt0.S", "cluster.c", "heap.c", "l3.c", "memory.c", "system.c")]

# What github.com/pulp-platform/pulp-sdk's rules take of a Makefile: APP, APP_SRCS, APP_CFLAGS, APP_LDFLAGS and READFS_FILES.
RULES = """
OBJECTS = $(patsubst %.c,BUILD/$(APP)/%.o,$(APP_SRCS))
all: BUILD/$(APP)/$(APP)
BUILD/$(APP)/%.o: %.c
\t@mkdir -p $(dir $@)
\t$(SDK_CC) -c $< -o $@ $(APP_CFLAGS) -DARCHI_CLUSTER_NB_PE=8
BUILD/$(APP)/$(APP): $(OBJECTS)
\t$(SDK_LD) -o $@ $^ $(SDK_OS) $(APP_LDFLAGS)
files:
\t@echo $(READFS_FILES)
"""


def macros():
    """Name and parameters of the instructions of nn_xpulp.h, the loop among them."""
    text = (KERNELS / "nn_xpulp.h").read_text()
    found = re.findall(r"^#define NN_(\w+)\(([^)]*)\)", text, re.M)
    return [(name, parameters.split(", ")) for name, parameters in found if not name.startswith("ASM")]


def expand(folder, values, *options):
    """{name: text} of every macro for values(name, parameter)."""
    lines = [f'@{name} NN_{name}({", ".join(json.dumps(values(name, one)) for one in parameters)})'
             for name, parameters in macros()]
    (folder / "expand.c").write_text('#include "nn_xpulp.h"\n' + "\n".join(lines) + "\n")
    done = run(COMPILER, "-E", "-P", f"-I{KERNELS}", *options, folder / "expand.c")
    texts = {}
    for name, strings in re.findall(r"@(\w+) ([^@]*)", done.stdout):
        pieces = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', strings)).replace("\\n", "\n").splitlines()
        texts[name] = pieces[-1]  # behind a loop's directives
    return texts


def translations(folder):
    """Pairs of a pattern of an instruction by name and a template of it through .insn."""
    name_of = lambda name, parameter: f"<{parameter}>"
    by_name, through_insn = expand(folder, name_of, "-DNN_MNEMONICS"), expand(folder, name_of)
    pairs = []
    for name, text in by_name.items():
        number = {"bits", "at", "halfwords"} | (set() if name.endswith("_BY") else {"step"})
        pattern = re.sub(r"<(\w+)>", lambda one: f"(?P<{one[1]}>{'-?[0-9]+' if one[1] in number else '[a-z][a-z0-9]*'})",
                         re.sub(r"([.*+()])", r"\\\1", text))
        pairs.append((pattern, through_insn[name]))
    return pairs


def assemble_as_the_sdk_does():
    """The stand-in's compiler: words of gcc's, with -c; behind --pairs a file of translations()."""
    words = sys.argv[1:]
    pairs = json.loads(Path(words[words.index("--pairs") + 1]).read_text())
    words = words[:words.index("--pairs")] + words[words.index("--pairs") + 2:]
    output = Path(words[words.index("-o") + 1])
    listing = output.with_suffix(".s")
    words = ["-S" if word == "-c" else listing if word == str(output) else word for word in words]
    done = run(COMPILER, "-Dnaked=unknown_to_gcc_7", *words)
    if done.returncode != 0:
        sys.exit(done.stderr)
    lines = listing.read_text().splitlines()
    for i, line in enumerate(lines):
        text = line.strip()
        if text.startswith(".insn") and not text.startswith(".insn i 0x03, 6"):  # p.elw of our own pmsis.h
            sys.exit(f"{listing}:{i + 1}: Error: unknown pseudo-op: `.insn'")
        if re.match(r"(p|pv|lp)\.", text):
            matches = [(re.fullmatch(pattern, text), template) for pattern, template in pairs]
            found = [(one, template) for one, template in matches if one]
            if len(found) != 1:
                sys.exit(f"{listing}:{i + 1}: Error: unrecognized opcode `{text}'")
            lines[i] = re.sub(r"<(\w+)>", lambda one: found[0][0][one[1]], found[0][1])
    listing.write_text("\n".join(lines) + "\n")
    done = run(COMPILER, *FLAGS, "-c", listing, "-o", output)
    sys.exit(done.stderr or done.returncode)


@unittest.skipUnless(shutil.which(COMPILER), f"{COMPILER} is not installed")
class Sdk(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def test_names_are_those_of_the_words(self):
        """What is assembled through .insn reads as the text by name."""
        arguments = {"rd": "t0", "rs1": "t1", "rs2": "t2", "bits": "3", "at": "8", "level": "x0", "count": "t2",
                     "halfwords": "4"}
        value = lambda name, parameter: arguments.get(parameter, "t2" if name.endswith("_BY") else "4")
        calls = ['__asm__ volatile("la t1, buffer\\nli t2, 4\\n" NN_{}({}) "{}" ::: "memory", "t0", "t1", "t2");'.format(
            name, ", ".join(json.dumps(value(name, one)) for one in parameters),
            "nop\\nnop\\n.option pop\\n" if name == "LOOP" else "") for name, parameters in macros()]
        (self.folder / "main.c").write_text(
            '#include "nn_xpulp.h"\nint buffer[64];\n__attribute__((noinline)) void probe(void) {\n' + "\n".join(calls) +
            "\n}\nint main(void) { probe(); return 0; }\n")
        done = run(COMPILER, *FLAGS, f"-I{KERNELS}", "-O1", "-DNUM_CORES=8", self.folder / "main.c", *OS, "-nostartfiles",
                   f"-T{PLATFORM}/link.ld", "-o", self.folder / "main.elf")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = run(WORKBENCH, "execute", self.folder / "main.elf", "--hw", "pulp_open", "--json", self.folder / "x.json",
                   cwd=ROOT)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        functions = json.loads((self.folder / "x.json").read_text())["functions"]
        probe, = [one for one in functions if one["name"] == "probe"]
        read = [one["text"].replace(hex(one["address"] + 8), ".+2*4") for one in probe["instructions"]
                if re.match(r"(p|pv|lp)\.", one["text"])]
        written = [text.replace(", ", ",") for text in expand(self.folder, value, "-DNN_MNEMONICS").values()]
        self.assertGreater(len(written), 30)
        self.assertEqual(read, written)

    def test_an_application_is_built_by_names_and_runs_bit_exactly(self):
        for network, *options in (["zoo:tiny_residual"], ["zoo:tiny_mobile", "--scheme", "per-channel", "--weight-bits", "4",
                                                          "--activation-bits", "2"]):
            with self.subTest(network):
                app = self.folder / network[4:]
                done = run(WORKBENCH, "compile", "--hw", "gap8", network, *options, "--emit-c", app, cwd=ROOT)
                self.assertEqual(done.returncode, 0, done.stderr)
                (self.folder / "pmsis_rules.mk").write_text(RULES)
                (self.folder / "pairs.json").write_text(json.dumps(translations(self.folder)))
                compiler = f"{sys.executable} {Path(__file__).resolve()} --pairs {self.folder}/pairs.json {' '.join(FLAGS)}"
                linker = f"{COMPILER} {' '.join(FLAGS)} -O2 -nostartfiles -T{PLATFORM}/link.ld -Wl,--gc-sections"
                make = ["make", "-s", f"RULES_DIR={self.folder}", f"SDK_CC={compiler}", f"SDK_LD={linker}",
                        f"SDK_OS={' '.join(map(str, OS))}"]
                self.assertIn("hex/weights.hex", run(*make, "files", cwd=app).stdout.split())
                done = run(*make, "-j2", "all", cwd=app)
                self.assertEqual(done.returncode, 0, done.stderr)
                done = run(WORKBENCH, "execute", app / "BUILD/main/main", "--hw", "gap8", "--files", app / "hex", cwd=ROOT)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertIn("all as expected", done.stdout)
                done = run(*make, "-B", "INSN=1", "all", cwd=app)
                self.assertIn("unknown pseudo-op", done.stderr)


if __name__ == "__main__":
    if "--pairs" in sys.argv:
        assemble_as_the_sdk_does()
    unittest.main()
