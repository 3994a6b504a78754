#include "compiler/import/model_file.h"

#include <fcntl.h>
#include <google/protobuf/stubs/logging.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "compiler/import/caffe/caffe.h"
#include "compiler/import/front_end.h"
#include "compiler/import/tflite/front_end.h"
#include "core/error.h"
#include "core/file.h"

namespace workbench::importer {

namespace {

class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path) {
    std::error_code none;
    if (std::filesystem::is_regular_file(path, none)) map(path);
    // Nothing to map, or a pipe, which can be opened only once.
    if (bytes_.data() == nullptr) fallback_ = read_file(path);
  }
  ~MappedFile() {
    if (bytes_.data() != nullptr) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return bytes_.data() != nullptr ? bytes_ : fallback_; }

 private:
  void map(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) fail("{}: cannot read: {}", path.string(), std::strerror(errno));
    struct stat status {};
    if (::fstat(descriptor, &status) == 0 && status.st_size > 0) {
      const auto size = static_cast<std::size_t>(status.st_size);
      void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, 0);
      if (address != MAP_FAILED) bytes_ = {static_cast<const char*>(address), size};
    }
    ::close(descriptor);
  }

  std::string_view bytes_;
  std::string fallback_;
};

}  // namespace

onnx::ModelProto parse_model(std::string_view bytes, std::string_view name) {
  if (bytes.size() > std::numeric_limits<int>::max()) {  // protobuf counts in int
    fail("{}: expected an ONNX model below 2 GiB, found {} bytes", name, bytes.size());
  }
  const google::protobuf::LogSilencer silence;  // errors are worded here
  onnx::ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    fail("{}: expected an ONNX model, found {} bytes that are none, or part of one", name,
         bytes.size());
  }
  if (!model.has_graph()) fail("{}: expected an ONNX model with a graph, found none", name);
  return model;
}

namespace {

constexpr FrontEnd kOnnx{
    .format = "ONNX",
    .recognises = [](std::string_view) { return true; },
    .read = [](const std::filesystem::path& path, std::string_view bytes,
               const ImportOptions&) { return parse_model(bytes, path.string()); }};

}  // namespace

std::span<const FrontEnd> front_ends() {
  static const std::vector<FrontEnd> all{kTensorFlowLite, kCaffe, kOnnx};
  return all;
}

namespace {

const FrontEnd& front_end_of(std::string_view bytes) {
  const auto found = std::ranges::find_if(
      front_ends(), [&](const FrontEnd& candidate) { return candidate.recognises(bytes); });
  CHECK(found != front_ends().end(), "ONNX takes every file");
  return *found;
}

}  // namespace

AnyModel read_any(const std::filesystem::path& path, const ImportOptions& options) {
  const MappedFile file(path);
  const std::string_view bytes = file.bytes();
  const FrontEnd& found = front_end_of(bytes);
  if (!options.weights.empty() && !found.takes_weights) {
    fail("--weights {}: expected a Caffe network, which has them in another file; {} is {}",
         options.weights.string(), path.string(), found.format);
  }
  return {.format = found.format, .proto = found.read(path, bytes, options)};
}

std::optional<onnx::ModelProto> read_onnx(const std::filesystem::path& path) {
  const MappedFile file(path);
  if (front_end_of(file.bytes()).format != kOnnx.format) return std::nullopt;
  return parse_model(file.bytes(), path.string());
}

onnx::ModelProto read_model(const std::filesystem::path& path, const ImportOptions& options) {
  return read_any(path, options).proto;
}

}  // namespace workbench::importer
