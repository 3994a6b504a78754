// .npy: magic, version, the length of a header that is a Python dict literal, then raw elements
// (numpy.lib.format).
#include "compiler/quantize/npy.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "compiler/quantize/calibrate.h"
#include "core/file.h"

namespace workbench {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxRank = 32;  // numpy's own limit

constexpr std::array<std::pair<std::string_view, ElementType>, 11> kTypes = {{
    {"f4", ElementType::Float32},
    {"f8", ElementType::Float64},
    {"i1", ElementType::Int8},
    {"u1", ElementType::Uint8},
    {"i2", ElementType::Int16},
    {"u2", ElementType::Uint16},
    {"i4", ElementType::Int32},
    {"u4", ElementType::Uint32},
    {"i8", ElementType::Int64},
    {"u8", ElementType::Uint64},
    {"b1", ElementType::Bool},
}};

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<Shape> shape;
};

// Reads the dict literal of the header: the few forms that numpy writes.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  Header parse() {
    Header header;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr") {
        header.descr = string();
      } else if (key == "fortran_order") {
        header.fortran_order = boolean();
      } else if (key == "shape") {
        header.shape = tuple();
      } else {
        bad("key descr, fortran_order or shape");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    return header;
  }

 private:
  [[noreturn]] void bad(std::string_view expected) const {
    fail("{}: npy header: expected {} at character {}", name_, expected, at_);
  }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool accept(char wanted) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) bad(fmt::format("'{}'", wanted));
  }
  std::string string() {
    skip_space();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) bad("a string");
    const std::size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) bad("the end of a string");
    const std::string_view found = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return std::string(found);
  }
  bool boolean() {
    skip_space();
    for (const auto& [word, value] :
         {std::pair{std::string_view("True"), true}, std::pair{std::string_view("False"), false}}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return value;
      }
    }
    bad("True or False");
  }
  std::int64_t number() {
    skip_space();
    std::int64_t value = 0;
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      if (value > std::numeric_limits<std::int32_t>::max()) bad("a smaller dimension");
      value = value * 10 + (text_[at_++] - '0');
    }
    if (at_ == begin) bad("a dimension");
    accept('L');  // Python 2
    return value;
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      shape.push_back(number());
      if (shape.size() > kMaxRank) bad(fmt::format("at most {} dimensions", kMaxRank));
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
};

ElementType element_type(const std::string& descr, const std::string& name) {
  const bool ordered =
      descr.size() == 3 && std::string_view("<|=").find(descr[0]) != std::string::npos;
  for (const auto& [code, type] : kTypes) {
    const bool needs_order = element_bytes(type) > 1;
    if (ordered && descr.substr(1) == code && !(needs_order && descr[0] == '|')) return type;
  }
  fail("{}: npy dtype: expected little-endian f4, f8, i1..i8, u1..u8 or b1, found '{}'", name,
       descr);
}

// Where the elements begin, and the header text before them.
std::pair<std::string_view, std::string_view> split_header(std::string_view bytes,
                                                           const std::string& name) {
  if (bytes.size() < 10 || bytes.substr(0, kMagic.size()) != kMagic) {
    fail("{}: expected a .npy array, found no NUMPY magic", name);
  }
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i]));
  };
  const std::size_t version = byte(6);
  if (version < 1 || version > 3) fail("{}: npy version: expected 1 to 3, found {}", name, version);
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  const std::size_t begin = 8 + length_bytes;
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_bytes && 8 + i < bytes.size(); ++i) {
    length |= byte(8 + i) << (8 * i);
  }
  if (begin > bytes.size() || length > bytes.size() - begin) {
    fail("{}: npy header: expected {} bytes, found the end of the file", name, length);
  }
  return {bytes.substr(begin, length), bytes.substr(begin + length)};
}

std::int64_t checked_bytes(const Shape& shape, ElementType type, std::size_t available,
                           const std::string& name) {
  std::int64_t bytes = element_bytes(type);
  bool overflow = false;
  for (const std::int64_t dimension : shape) {
    overflow = __builtin_mul_overflow(bytes, dimension, &bytes) || overflow;
  }
  if (overflow || bytes != static_cast<std::int64_t>(available)) {
    fail("{}: npy data: expected {} bytes for {} {}, found {}", name,
         overflow ? "more than 2^63" : std::to_string(bytes), to_string(type), to_string(shape),
         available);
  }
  return bytes;
}

}  // namespace

Tensor npy_from_bytes(std::string_view bytes, const std::string& name) {
  const auto [text, data] = split_header(bytes, name);
  const Header header = HeaderParser(text, name).parse();
  if (!header.descr || !header.fortran_order || !header.shape) {
    fail("{}: npy header: expected descr, fortran_order and shape, found not all of them", name);
  }
  if (*header.fortran_order) {
    fail("{}: expected a C order array, found Fortran order; numpy.ascontiguousarray makes one",
         name);
  }
  const ElementType type = element_type(*header.descr, name);
  const std::int64_t size = checked_bytes(*header.shape, type, data.size(), name);
  Tensor tensor = Tensor::uninitialized(type, *header.shape);
  if (size > 0) std::memcpy(tensor.mutable_data(), data.data(), data.size());
  if (type == ElementType::Bool) {  // any other byte would not be a bool
    std::byte* flags = tensor.mutable_data();
    std::transform(flags, flags + size, flags,
                   [](std::byte b) { return b == std::byte{0} ? b : std::byte{1}; });
  }
  return tensor;
}

Tensor read_npy(const std::filesystem::path& path) {
  return npy_from_bytes(read_file(path), path.string());
}

std::string npy_bytes(const Tensor& tensor) {
  std::string code;
  for (const auto& [name, type] : kTypes) {
    if (type == tensor.type())
      code = fmt::format("{}{}", element_bytes(type) > 1 ? "<" : "|", name);
  }
  std::string shape;
  for (const std::int64_t dimension : tensor.shape()) shape += fmt::format("{}, ", dimension);
  if (tensor.rank() > 1) shape.resize(shape.size() - 2);  // (3, 4) but (3,)
  if (tensor.rank() == 1) shape.pop_back();
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", code, shape);
  // The elements start at a multiple of 64 bytes, the header ends in a newline.
  const std::size_t prefix = kMagic.size() + 4;
  header.append(63 - (prefix + header.size()) % 64, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes += {'\x01', '\x00', static_cast<char>(header.size() & 0xff),
            static_cast<char>(header.size() >> 8)};
  bytes += header;
  if (tensor.size_bytes() > 0) {
    bytes.append(reinterpret_cast<const char*>(tensor.data()),
                 static_cast<std::size_t>(tensor.size_bytes()));
  }
  return bytes;
}

}  // namespace workbench
