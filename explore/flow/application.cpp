#include "explore/flow/application.h"

#include <unistd.h>

#include "compiler/pulp/emit_c.h"
#include "core/error.h"
#include "core/file.h"
#include "sim/golden/golden.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

std::map<std::string, Tensor> golden_by_name(const Compiled& compiled) {
  const std::vector<Tensor> values = golden::run(compiled.quantized, compiled.input);
  std::map<std::string, Tensor> by_name;
  for (std::size_t id = 0; id < values.size(); ++id) {
    const Value& value = compiled.quantized.values[id];
    const bool codes = values[id].type() == ElementType::Int8 ||
                       values[id].type() == ElementType::Uint8 ||
                       values[id].type() == ElementType::Int32;
    if (!value.constant && codes) by_name[value.name] = values[id];
  }
  return by_name;
}

// What only an application has.
constexpr const char* kMark = "src/network_data.c";

[[noreturn]] void refuse(const fs::path& folder, const std::error_code& error) {
  fail("--emit-c {}: cannot write: {}", folder.string(), error.message());
}

void replace(const fs::path& folder, const fs::path& fresh) {
  std::error_code error;
  const fs::path before = fresh.string() + ".before";
  if (fs::exists(folder)) fs::rename(folder, before, error);
  if (error) refuse(folder, error);
  fs::rename(fresh, folder, error);
  if (error) {
    std::error_code ignored;
    if (fs::exists(before)) fs::rename(before, folder, ignored);
    refuse(folder, error);
  }
  fs::remove_all(before, error);
}

// Relative paths may end in a slash.
fs::path named(const fs::path& folder) {
  const fs::path path = fs::absolute(folder).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

void require_application_folder(const fs::path& folder) {
  if (folder.empty() || !fs::exists(folder)) return;
  if (!fs::is_directory(folder)) {
    fail("--emit-c {}: expected a folder, found a file", folder.string());
  }
  if (fs::is_empty(folder) || fs::exists(folder / kMark)) return;
  fail("--emit-c {}: expected a new or empty folder, or one that --emit-c wrote; this one has no {}",
       folder.string(), kMark);
}

void write_application(const fs::path& folder, const Compiled& compiled) {
  const auto files =
      pulp::emit_c(compiled.pulp_program(), compiled.pulp_machine(), golden_by_name(compiled));
  const fs::path to = named(folder);
  const fs::path fresh = to.string() + fmt::format(".{}", getpid());
  std::error_code error;
  try {
    for (const auto& [path, contents] : files) {
      fs::create_directories((fresh / path).parent_path(), error);
      if (error) refuse(folder, error);
      write_file(fresh / path, contents);
    }
    replace(to, fresh);
  } catch (const Error&) {
    fs::remove_all(fresh, error);
    throw;
  }
}

}  // namespace workbench
