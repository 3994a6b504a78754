// Folders that a compiled network is written to for its hardware: --emit-c, an application in C
// (compiler/pulp/emit_c.h) with what the golden model says of its input, layers and outputs;
// --emit-runtime, files for the card's runtime (compiler/xdnn/runtime_files.h).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/pulp/emit_c.h"
#include "core/file.h"
#include "explore/flow/pipeline.h"

namespace workbench {

// A folder that is written beside the one it becomes: that one has all of it or is as it was. One
// of the same kind that is there already is replaced, whatever was added to it.
class FreshFolder {
 public:
  // `mark`: the file by which one of the kind is known. Throws Error "OPTION FOLDER: ..." where
  // there is something else of that name. An empty folder name is fine, and never written.
  // What was not committed is gone with it, or with the process
  // (remove_temporary_files_on_signals).
  FreshFolder(std::string option, const std::filesystem::path& folder, std::string mark);

  bool is_wanted() const { return !to_.empty(); }
  std::filesystem::path path() const { return fresh_->file(""); }  // made by the first write
  void write(const std::string& file, std::string_view contents);
  void make();
  void commit();

 private:
  [[noreturn]] void refuse(const std::string& what) const;

  std::string option_;
  std::filesystem::path to_;
  std::optional<ScratchFolder> fresh_;
};

// The machine is a PULP cluster. Throws Error, without naming an option: emit_c().
pulp::CApplication application_of(const Compiled& compiled,
                                  pulp::HostNodes nodes = pulp::HostNodes::Computed);

// The same, as a folder; its warnings.
std::vector<std::string> write_application(FreshFolder& folder, const Compiled& compiled);
// The machine is an xDNN overlay. `folder` has network.onnx already, the network after all passes.
// Returns why `run --program` does not read the program back; empty: it does.
std::string write_runtime_files(FreshFolder& folder, const Compiled& compiled);

inline constexpr const char* kApplicationMark = "src/network_data.c";
inline constexpr const char* kRuntimeMark = "program.json";

}  // namespace workbench
