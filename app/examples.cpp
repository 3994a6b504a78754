#include <algorithm>
#include <array>

#include "app/described_command.h"

namespace workbench::app {

namespace {

struct Examples {
  std::string_view command;
  std::array<std::string_view, 2> calls;
};

constexpr Examples kExamples[] = {
    {"workload", {"workbench workload --list", "workbench workload tiny_cnn -o net.onnx"}},
    {"run",
     {"workbench run --hw v3_96 net.onnx",
      "workbench run --hw gap8 --l1 32k net.onnx --html report.html --json report.json"}},
    {"compile",
     {"workbench compile --hw v3_96 net.onnx -o net.program",
      "workbench compile --hw gap8 net.onnx --emit-c net_c"}},
    {"quantize",
     {"workbench quantize --target xdnn net.onnx --calibration images -o net_int8.onnx",
      "workbench quantize --target pulp net.onnx --calibration images --format nemo -o "
      "net_nemo.onnx"}},
    {"verify",
     {"workbench verify --hw v3_96 net_int8.onnx --input input.npy --expect outputs.npz "
      "--atol 100",
      "workbench verify --hw gap8 net.onnx --input input.npy --expect outputs.npz --atol 100"}},
    {"accuracy",
     {"workbench accuracy --target xdnn net.onnx --images images",
      "workbench accuracy --target pulp net.onnx --images images --limit 4 --html accuracy.html"}},
    {"retrain",
     {"workbench retrain --target xdnn --scheme per-channel-pow2 net.onnx --train images "
      "--validate images --epochs 1 -o trained.onnx",
      "workbench retrain --target none --scheme graffitist net.onnx --train images --validate "
      "images --loss distill --epochs 1 --html trained.html -o taught.onnx"}},
    {"search-bits",
     {"workbench search-bits net.onnx --hw gap8 --calibration images --points 2 -o recipes",
      "workbench search-bits net.onnx --calibration images --objective accuracy --objective "
      "l3_bytes --points 2 --html bits.html"}},
    {"disasm",
     {"workbench disasm net.program --explain",
      "workbench disasm net.program --format json -o net.json"}},
    {"asm", {"workbench asm net.json --format text", "workbench asm net.json -o checked.json"}},
    {"isa", {"workbench isa xdnn", "workbench isa pulp"}},
    {"preprocess",
     {"workbench preprocess net.onnx --write --force",
      "workbench preprocess net.onnx --input images/image_0.ppm -o image.npy"}},
    {"inspect", {"workbench inspect net.onnx", "workbench inspect --hw gap8 net.onnx"}},
    {"convert",
     {"workbench convert net.onnx -o copy.onnx",
      "workbench convert net.onnx --shape input=1,3,32,32 -o fixed.onnx"}},
    {"evaluate",
     {"workbench evaluate net.onnx -o tensors",
      "workbench evaluate net.onnx --input input.npy --optimized"}},
    {"allocate",
     {"workbench allocate buffers.csv --capacity 64k",
      "workbench allocate buffers.csv --capacity 64k --minimize -o placed.csv"}},
    {"sweep",
     {"workbench sweep net.onnx --hw gap8 --set l1=16k..64k:x2 --set cores=4,8",
      "workbench sweep net.onnx --hw v3_96 --set memory=4,9 --refine --html sweep.html"}},
    {"sweep-worker",
     {"workbench sweep net.onnx --hw gap8 --set cores=1,2 --job-folder job",
      "workbench sweep-worker job/job.json --chunk 0 --chunks 1 --output job"}},
    {"compare",
     {"workbench compare 'v3_96 net.onnx' 'gap8 net.onnx l1=32k' --html compare.html",
      "workbench compare report.json 'gap8 net.onnx' --layers 5"}},
    {"results",
     {"workbench results",
      "workbench results last --columns network,machine,cycles --sort cycles"}},
    {"track record",
     {"workbench track record suite.yaml --baseline baseline.json --revision r1 --date "
      "2026-11-22T19:30:00Z",
      "workbench track record suite.yaml --store figures.db --revision r1 --date "
      "2026-11-22T19:30:00Z"}},
    {"track compare",
     {"workbench track compare baseline.json suite.yaml",
      "workbench track compare baseline.json suite.yaml --per-layer --junit track.xml"}},
    {"track report",
     {"workbench track report baseline.json",
      "workbench track report --store figures.db --html history.html"}},
    {"validate", {"workbench validate --hw v3_96", "workbench validate --hw gap8 --json v.json"}},
    {"execute",
     {"workbench execute app.elf --hw pulp_open",
      "workbench execute app.elf --hw gap8 --profile --json app.json"}},
    {"ops", {"workbench ops", "workbench ops | grep Pool"}},
    {"passes", {"workbench passes", "workbench passes | grep merge"}},
    {"completion",
     {"workbench completion bash > completion.bash", "workbench completion zsh > _workbench"}},
    {"manual", {"workbench manual > workbench.1", "workbench manual | head"}},
};

}  // namespace

std::span<const std::string_view> examples_of(std::string_view command) {
  const auto* const found = std::ranges::find(kExamples, command, &Examples::command);
  if (found == std::end(kExamples)) return {};
  return found->calls;
}

}  // namespace workbench::app
