#include "explore/flow/application.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "compiler/quantize/table.h"
#include "compiler/xdnn/replay.h"
#include "compiler/xdnn/runtime_files.h"
#include "core/error.h"
#include "core/file.h"
#include "isa/xdnn/listing_text.h"
#include "sim/golden/golden.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

// Relative paths may end in a slash.
fs::path named(const fs::path& folder) {
  if (folder.empty()) return {};
  const fs::path path = fs::absolute(folder).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

FreshFolder::FreshFolder(std::string option, const fs::path& folder, std::string mark)
    : option_(std::move(option)), to_(named(folder)) {
  if (to_.empty()) return;
  if (!fs::exists(to_)) return;
  if (!fs::is_directory(to_)) refuse("expected a folder, found a file");
  if (fs::is_empty(to_) || fs::exists(to_ / mark)) return;
  refuse(fmt::format("expected a new or empty folder, or one that {} wrote; this one has no {}",
                     option_, mark));
}

void FreshFolder::refuse(const std::string& what) const {
  fail("{} {}: {}", option_, to_.string(), what);
}

void FreshFolder::make() {
  if (!is_wanted()) return;
  std::error_code error;
  fs::create_directories(to_.parent_path(), error);
  if (error) refuse("cannot write: " + error.message());
  try {
    fresh_.emplace(to_);
  } catch (const Error& problem) {
    refuse(problem.what());
  }
  const mode_t mask = umask(0);  // a scratch folder is for its owner alone
  umask(mask);
  fs::permissions(path(), static_cast<fs::perms>(0777 & ~mask), error);
}

void FreshFolder::write(const std::string& file, std::string_view contents) {
  if (!fresh_) make();
  std::error_code error;
  fs::create_directories(fresh_->file(file).parent_path(), error);
  if (error) refuse("cannot write: " + error.message());
  write_file(fresh_->file(file), contents);
}

void FreshFolder::commit() {
  std::error_code error;
  const fs::path fresh = path().parent_path();  // without the slash
  // Both at once, where the file system can: there is no moment without either.
  if (renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, to_.c_str(), RENAME_EXCHANGE) == 0) {
    return;  // what was there before goes with the scratch folder
  }
  const fs::path before = fresh.string() + ".before";
  if (fs::exists(to_)) fs::rename(to_, before, error);
  if (error) refuse("cannot write: " + error.message());
  fs::rename(fresh, to_, error);
  if (error) {
    std::error_code ignored;
    if (fs::exists(before)) fs::rename(before, to_, ignored);
    refuse("cannot write: " + error.message());
  }
  fs::remove_all(before, error);
}

namespace {

std::map<std::string, Tensor> golden_by_name(const Compiled& compiled) {
  const std::vector<Tensor> values = golden::run(compiled.quantized, compiled.input);
  std::map<std::string, Tensor> by_name;
  for (std::size_t id = 0; id < values.size(); ++id) {
    const Value& value = compiled.quantized.values[id];
    const ElementType type = values[id].type();
    if (!value.constant && type != ElementType::Float64) by_name[value.name] = values[id];
  }
  return by_name;
}

constexpr std::string_view kRuntimeReadme =
    "# Files for the card's runtime, written by `workbench --emit-runtime`\n\n"
    "| | |\n|---|---|\n"
    "| `program.json` | the program in the dialect of the vendor's compiler: one entry per "
    "instruction, its fields in `xdnn_kv` |\n"
    "| `quantizer.json` | thresholds and scales by layer, as the vendor's quantizer writes them |\n"
    "| `filters.bin` | DDR image: per pass of output channels the channels' configuration words, "
    "then the weights column by column as the array reads them |\n"
    "| `filters.json` | per instruction: address and bytes of its slabs in that image |\n"
    "| `network.onnx` | the network that the program's layers are of: after all passes, float |\n\n"
    "{}\n\n"
    "Not known of the vendor's runtime, and so not claimed: which file its weights come from (it "
    "packs them itself, from layers by name; `filters.bin` is what it would put into DDR), the "
    "image "
    "queue's descriptors (addresses of inputs and outputs are those of our own DDR image; it "
    "relocates them), the meaning of `weights_bit`, a0 b1 c1, and whether keys that we leave out "
    "(`deeppy`, `tile_info`, `merged`) are read at all. `bottoms` names the instruction before. "
    "Ours "
    "alone are `host_turns` (the instruction before which the host runs what is left to it) and "
    "the "
    "`concat_*` fields of gathers into a part of a larger volume.\n";

// Why the program's listing is not read back; empty: it is.
std::string replay_gap(const Compiled& compiled, const xdnn::Listing& listing) {
  try {
    xdnn::replay(listing, compiled.quantized, compiled.xdnn_machine());
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

pulp::CApplication application_of(const Compiled& compiled, pulp::HostNodes nodes) {
  return pulp::emit_c(compiled.pulp_program(), compiled.pulp_machine(), golden_by_name(compiled),
                      nodes);
}

std::vector<std::string> write_application(FreshFolder& folder, const Compiled& compiled) {
  pulp::CApplication application;
  try {
    application = application_of(compiled);
  } catch (const Error& error) {
    fail("--emit-c: {}", error.what());
  }
  for (const auto& [path, contents] : application.files) folder.write(path, contents);
  folder.commit();
  for (std::string& warning : application.warnings) warning = "--emit-c: " + warning;
  return std::move(application.warnings);
}

std::string write_runtime_files(FreshFolder& folder, const Compiled& compiled) {
  const xdnn::Program& program = compiled.xdnn_program();
  if (program.steps.empty()) {
    fail("--emit-runtime: expected a layer that {} runs, found a network that the host runs whole",
         name(compiled.machine));
  }
  const std::string gap = replay_gap(
      compiled, xdnn::parse_listing(print_json(xdnn::vendor_listing(program)), "program.json"));
  for (const auto& [path, contents] :
       xdnn::runtime_files(compiled.xdnn_program(), compiled.xdnn_machine())) {
    folder.write(path, contents);
  }
  folder.write("quantizer.json", to_json(quantizer_table(compiled.quantized)));
  const std::string read_back =
      gap.empty() ? "Read back, bit-exact: `workbench run --hw MACHINE --program program.json "
                    "--weights network.onnx --quantization quantizer.json`."
                  : "`workbench run --program` does not read this program back: " + gap + ".";
  folder.write("README.md", fmt::format(fmt::runtime(kRuntimeReadme), read_back));
  folder.commit();
  if (gap.empty()) return "";
  return "--emit-runtime: `workbench run --program` does not read this program back: " + gap;
}

}  // namespace workbench
