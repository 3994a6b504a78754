// A file's bytes without a copy of them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace workbench::importer {

class MappedFile {
 public:
  // Throws Error "PATH: cannot read: REASON".
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return bytes_.data() != nullptr ? bytes_ : fallback_; }

 private:
  std::string_view bytes_;
  std::string fallback_;  // where there is nothing to map
};

}  // namespace workbench::importer
