#include "tests/fuzz/doors.h"

#include <fstream>
#include <iterator>

#include "compiler/memory/allocate.h"
#include "compiler/memory/problem_file.h"
#include "core/file.h"
#include "data/arrays.h"
#include "data/image.h"
#include "data/image_set.h"
#include "explore/energy/technology.h"
#include "explore/flow/pipeline.h"
#include "explore/store/salvage.h"
#include "explore/store/store.h"
#include "explore/sweep/study.h"
#include "explore/sweep/worker.h"
#include "explore/track/baseline.h"
#include "explore/track/side_by_side.h"
#include "explore/validate/figures.h"
#include "isa/pulp/program.h"
#include "isa/xdnn/listing_text.h"
#include "sim/riscv/profile.h"

namespace workbench::fuzz {

namespace {

namespace fs = std::filesystem;

CompileRequest request_for(const std::string& network, const fs::path& machine) {
  CompileRequest request;
  request.model.name = network;
  request.machine = find_machine_file(machine.string());
  return request;
}

void run(const CompileRequest& request) { run_network(compile_network(request)); }

void network_on_xdnn(const fs::path& file) { run(request_for(file.string(), "v3_96")); }
void network_on_pulp(const fs::path& file) { run(request_for(file.string(), "gap8")); }
// Machines that have no door of their own: by the file's size, so that an input takes the same one
// each time.
void network_on_others(const fs::path& file) {
  constexpr const char* kMachines[] = {"v2_28",        "darius_32", "math_engine",
                                       "pulp_xpulpnn", "mr_wolf",   "v2_56"};
  run(request_for(file.string(), kMachines[fs::file_size(file) % std::size(kMachines)]));
}

void machine(const fs::path& file) { run(request_for("zoo:tiny_cnn", file)); }

void quantizer(const fs::path& file) {
  CompileRequest request = request_for("zoo:tiny_cnn", "v3_96");
  request.quantizer_table = file;
  run(request);
}

void order(const fs::path& file) {
  CompileRequest request = request_for("zoo:tiny_inception", "v3_96");
  request.schedule.file = xdnn::parse_order_file(read_file(file), file.string());
  run(request);
}

void listing_alone(const fs::path& file) {
  CompileRequest request = request_for("", "v3_96");
  request.program = file;
  run(request);
}

void listing(const fs::path& file) {
  CompileRequest request = request_for("zoo:tiny_inception", "v3_96");
  request.program = file;
  run(request);
}

void pulp_program(const fs::path& file) {
  CompileRequest request = request_for("zoo:tiny_cnn", "gap8");
  request.program = file;
  run(request);
}

void recipe(const fs::path& file) {
  CompileRequest request = request_for("zoo:tiny_cnn", "gap8");
  request.scheme = file.string();
  run(request);
}

void labels(const fs::path& file) {
  const fs::path folder = file.string() + ".images";
  fs::create_directories(folder);
  for (const char* name : {"a.ppm", "b.ppm", "c.ppm"}) {
    std::ofstream(folder / name, std::ios::binary) << "P6\n2 2\n255\n" << std::string(12, 'x');
  }
  const Preprocessing steps{.resize = {}, .dims = {3, 2, 2}};
  const ImageSet set = open_images({.path = folder,
                                    .labels = file,
                                    .input_shape = {1, 3, 2, 2},
                                    .classes = 10,
                                    .preprocessing = steps});
  (void)all_samples(set);
}

void steps(const fs::path& file) {
  const Image image{8, 8, 3, std::vector<std::uint8_t>(192, 100)};
  (void)preprocess(image, read_preprocessing(file), "image");
}

void technology(const fs::path& file) {
  (void)technology_for(pulp::load_machine(find_machine_file("gap8")), file.string());
}

void report(const fs::path& file) {
  const std::vector<std::string> runs = {file.string(), "gap8 zoo:tiny_cnn"};
  const auto compared = track::compared_runs(runs, false);
  (void)track::compared_text(compared, 10);
  (void)track::compared_json(compared);
}

void input(const fs::path& file) {
  CompileRequest request = request_for("zoo:tiny_cnn", "gap8");
  request.data.input = file;
  run(request);
}

void image(const fs::path& file) { (void)decode_image(read_file(file), 3, file.string()); }

void problem(const fs::path& file) {
  Problem read = parse_problem(read_file(file), file.string());
  read.capacity = 1 << 20;
  (void)allocate(read, {.node_limit = 2000});
}

void study(const fs::path& file) { (void)read_study(file); }
void job(const fs::path& file) { (void)read_job(file); }
void suite(const fs::path& file) { (void)track::load_suite(file); }
void baseline(const fs::path& file) { (void)track::load_baseline(file); }
void figures(const fs::path& file) { (void)load_figures(file); }

void store(const fs::path& file) {
  const fs::path fresh = file.string() + ".new";
  fs::remove(fresh);
  try {
    const Store opened(file, Store::Access::Read);
    for (const RunRecord& one : opened.runs()) (void)opened.run_points(one.id, true);
    for (const std::string& key : opened.keys()) (void)opened.find(key, true);
  } catch (const Error&) {  // the salvage is what is left then
    (void)salvage(file, fresh);
  }
}

// The first cycles of a program for the cores: the kernel among the seeds ends within them.
void executable(const fs::path& file) {
  const riscv::Elf program = riscv::parse_elf(read_file(file), file.string());
  const pulp::Machine machine = pulp::load_machine(find_machine_file("pulp_open"));
  const riscv::ClusterOptions options{.max_cycles = 400'000, .tree = true};
  riscv::Cluster cluster(program, machine, options);
  cluster.run();
  (void)riscv::profile_of(program, machine, cluster);
}

constexpr Door kDoors[] = {
    {"onnx_xdnn", "x.onnx", Form::Onnx, network_on_xdnn},
    {"onnx_pulp", "x.onnx", Form::Onnx, network_on_pulp},
    {"onnx_others", "x.onnx", Form::Onnx, network_on_others},
    {"tflite", "x.tflite", Form::Bytes, network_on_pulp},
    {"tensorflow", "x.pb", Form::Bytes, network_on_xdnn},
    {"caffe", "x.prototxt", Form::Text, network_on_xdnn},
    {"machine", "x.yaml", Form::Text, machine},
    {"quantizer", "x.json", Form::Text, quantizer},
    {"order", "x.txt", Form::Text, order},
    {"listing_alone", "x.s", Form::Text, listing_alone},
    {"listing", "x.s", Form::Text, listing},
    {"pulp_program", "x.program", Form::Bytes, pulp_program},
    {"pulp_text", "x.s", Form::Text, pulp_program},
    {"xdnn_program", "x.program", Form::Bytes, listing},
    {"recipe", "x.yaml", Form::Text, recipe},
    {"labels", "x.tsv", Form::Text, labels},
    {"steps", "x.yaml", Form::Text, steps},
    {"technology", "x.yaml", Form::Text, technology},
    {"report", "x.json", Form::Text, report},
    {"npy", "x.npy", Form::Bytes, input},
    {"npz", "x.npz", Form::Bytes, input},
    {"png", "x.png", Form::Bytes, image},
    {"problem", "x.csv", Form::Text, problem},
    {"study", "x.yaml", Form::Text, study},
    {"job", "x.json", Form::Text, job},
    {"suite", "x.yaml", Form::Text, suite},
    {"baseline", "x.json", Form::Text, baseline},
    {"figures", "x.yaml", Form::Text, figures},
    {"store", "x.db", Form::Bytes, store},
    {"elf", "x.elf", Form::Bytes, executable},
};

}  // namespace

std::span<const Door> doors() { return kDoors; }

}  // namespace workbench::fuzz
