#include "train/checkpoint.h"

#include <bit>
#include <cstring>
#include <type_traits>

#include "core/error.h"
#include "core/file.h"

namespace workbench::train {

namespace {

static_assert(std::endian::native == std::endian::little, "checkpoints are written as they lie");

constexpr std::string_view kMagic = "workbench retrain checkpoint 1\n";
constexpr std::size_t kDigest = 64;  // hexadecimal digits of a SHA-256

template <typename T>
constexpr bool is_vector = false;
template <typename T>
constexpr bool is_vector<std::vector<T>> = true;

class Writer {
 public:
  template <typename T>
  void write(const T& value) {
    if constexpr (is_vector<T>) {
      write(static_cast<std::uint64_t>(value.size()));
      if constexpr (std::is_arithmetic_v<typename T::value_type>) {
        append(value.data(), value.size() * sizeof(typename T::value_type));
      } else {
        for (const auto& one : value) write(one);
      }
    } else if constexpr (std::is_arithmetic_v<T>) {
      append(&value, sizeof(T));
    } else {
      T::fields(value, [&](const char*, const auto& member) { write(member); });
    }
  }
  std::string bytes;

 private:
  void append(const void* data, std::size_t size) {
    if (size > 0) bytes.append(static_cast<const char*>(data), size);
  }
};

class Reader {
 public:
  Reader(std::string_view bytes, const std::filesystem::path& file) : left_(bytes), file_(file) {}

  template <typename T>
  void read(T& value) {
    if constexpr (is_vector<T>) {
      std::uint64_t size = 0;
      read(size);
      // The least that an element can take: a number, or the size of a vector.
      if (size > left_.size()) refuse();
      if constexpr (std::is_arithmetic_v<typename T::value_type>) {
        if (size > left_.size() / sizeof(typename T::value_type)) refuse();
        value.resize(size);
        take(value.data(), size * sizeof(typename T::value_type));
      } else {
        for (std::uint64_t i = 0; i < size; ++i) read(value.emplace_back());
      }
    } else if constexpr (std::is_arithmetic_v<T>) {
      take(&value, sizeof(T));
    } else {
      T::fields(value, [&](const char*, auto& member) { read(member); });
    }
  }
  void end() const {
    if (!left_.empty()) refuse();
  }

 private:
  [[noreturn]] void refuse() const {
    fail("{}: expected a checkpoint, found one of another form: remove it to begin anew",
         file_.string());
  }
  void take(void* to, std::size_t size) {
    if (size > left_.size()) refuse();
    if (size > 0) std::memcpy(to, left_.data(), size);
    left_.remove_prefix(size);
  }

  std::string_view left_;
  const std::filesystem::path& file_;
};

}  // namespace

std::string checkpoint_bytes(const State& state, const std::string& request) {
  CHECK(request.size() == kDigest, "a digest of {} digits", request.size());
  Writer writer;
  writer.write(state);
  return std::string(kMagic) + request + sha256_hex(writer.bytes) + writer.bytes;
}

State checkpoint_from(const std::string& bytes, const std::string& request,
                      const std::filesystem::path& file) {
  const std::string_view all = bytes;
  const std::size_t head = kMagic.size() + 2 * kDigest;
  if (all.size() < head || !all.starts_with(kMagic)) {
    fail("{}: expected a checkpoint of retrain, found another file: remove it to begin anew",
         file.string());
  }
  const std::string_view body = all.substr(head);
  if (all.substr(kMagic.size() + kDigest, kDigest) != sha256_hex(body)) {
    fail("{}: the checkpoint is damaged: remove it to begin anew", file.string());
  }
  if (all.substr(kMagic.size(), kDigest) != request) {
    fail(
        "{}: expected the checkpoint of this training, found that of another network, data or "
        "options: remove it to begin anew, or ask for what it is of",
        file.string());
  }
  State state;
  Reader reader(body, file);
  reader.read(state);
  reader.end();
  return state;
}

}  // namespace workbench::train
