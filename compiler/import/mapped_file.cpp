#include "compiler/import/mapped_file.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/file.h"

namespace workbench::importer {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const OpenFile file(path);
  if (file.size() == 0) {  // nothing to map, or a file of /proc
    fallback_ = read_file(path);
    return;
  }
  void* address = ::mmap(nullptr, file.size(), PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (address == MAP_FAILED) fail("{}: cannot read: {}", path.string(), std::strerror(errno));
  bytes_ = {static_cast<const char*>(address), file.size()};
}

MappedFile::~MappedFile() {
  if (bytes_.data() != nullptr) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

}  // namespace workbench::importer
