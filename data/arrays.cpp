// .npy: magic, version, the length of a header that is a Python dict literal, then raw elements
// (numpy.lib.format).
#include "data/arrays.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

// .npz: a ZIP archive of .npy members, stored or deflated (PKWARE APPNOTE 4.3). The central
// directory is authoritative; local headers only locate the data.

namespace {

constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEntrySignature = 0x02014b50;
constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::size_t kEndBytes = 22, kEntryBytes = 46, kLocalBytes = 30;
constexpr std::uint64_t kMaxInflation = 1040;  // deflate cannot expand more (zlib: 1032:1)

struct Member {
  std::string name;
  unsigned method = 0;  // 0 stored, 8 deflated
  std::uint32_t crc = 0;
  std::size_t packed_bytes = 0, plain_bytes = 0, local_offset = 0;
};

class Archive {
 public:
  Archive(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  std::vector<Member> members() const {
    const std::size_t end = find_end();
    const std::size_t count = number(end + 10, 2);
    std::size_t at = number(end + 16, 4);
    std::vector<Member> found;
    for (std::size_t i = 0; i < count; ++i) {
      need(at, kEntryBytes);
      if (number(at, 4) != kEntrySignature) bad("a directory entry");
      const std::size_t name_bytes = number(at + 28, 2);
      need(at + kEntryBytes, name_bytes);
      found.push_back({.name = std::string(bytes_.substr(at + kEntryBytes, name_bytes)),
                       .method = static_cast<unsigned>(number(at + 10, 2)),
                       .crc = static_cast<std::uint32_t>(number(at + 16, 4)),
                       .packed_bytes = number(at + 20, 4),
                       .plain_bytes = number(at + 24, 4),
                       .local_offset = number(at + 42, 4)});
      at += kEntryBytes + name_bytes + number(at + 30, 2) + number(at + 32, 2);
    }
    return found;
  }

  std::string contents(const Member& member) const {
    if (member.plain_bytes == 0xffffffff || member.packed_bytes == 0xffffffff) {
      fail("{}: member '{}': expected less than 4 GiB, found a ZIP64 size", name_, member.name);
    }
    need(member.local_offset, kLocalBytes);
    if (number(member.local_offset, 4) != kLocalSignature) bad("a local header");
    const std::size_t begin = member.local_offset + kLocalBytes +
                              number(member.local_offset + 26, 2) +
                              number(member.local_offset + 28, 2);
    need(begin, member.packed_bytes);
    const std::string plain = unpack(member, bytes_.substr(begin, member.packed_bytes));
    const auto* data = reinterpret_cast<const Bytef*>(plain.data());
    if (crc32(0, data, static_cast<uInt>(plain.size())) != member.crc) {
      fail("{}: member '{}': checksum is wrong, the file is damaged", name_, member.name);
    }
    return plain;
  }

 private:
  [[noreturn]] void bad(std::string_view expected) const {
    fail("{}: expected {} of a ZIP archive, found none; the file is damaged", name_, expected);
  }
  void need(std::size_t at, std::size_t count) const {
    if (at > bytes_.size() || count > bytes_.size() - at) {
      fail("{}: expected {} bytes at {}, found the end of the archive", name_, count, at);
    }
  }
  std::size_t number(std::size_t at, std::size_t count) const {  // little endian, in range
    std::size_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      value |= static_cast<std::size_t>(static_cast<unsigned char>(bytes_[at + i])) << (8 * i);
    }
    return value;
  }
  // The end record stands last, before a comment of at most 64 KiB.
  std::size_t find_end() const {
    if (bytes_.size() < kEndBytes) bad("the end record");
    const std::size_t last = bytes_.size() - kEndBytes;
    for (std::size_t back = 0; back <= last && back <= 0xffff; ++back) {
      if (number(last - back, 4) == kEndSignature) return last - back;
    }
    bad("the end record");
  }
  std::string unpack(const Member& member, std::string_view packed) const {
    if (member.method == 0) return std::string(packed);
    if (member.method != 8) {
      fail("{}: member '{}': expected ZIP method 0 or 8, found {}", name_, member.name,
           member.method);
    }
    if (member.plain_bytes > kMaxInflation * (packed.size() + 1)) {
      fail("{}: member '{}': {} bytes cannot unpack to {}", name_, member.name, packed.size(),
           member.plain_bytes);
    }
    std::string plain(member.plain_bytes, '\0');
    z_stream stream{};
    CHECK(inflateInit2(&stream, -MAX_WBITS) == Z_OK, "zlib");
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(plain.data());
    stream.avail_out = static_cast<uInt>(plain.size());
    const int status = inflate(&stream, Z_FINISH);
    const bool whole = status == Z_STREAM_END && stream.avail_out == 0;
    inflateEnd(&stream);
    if (!whole) fail("{}: member '{}': deflated data is damaged", name_, member.name);
    return plain;
  }

  std::string_view bytes_;
  const std::string& name_;
};

}  // namespace

std::vector<std::pair<std::string, Tensor>> read_npz_members(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  const std::string file = path.string();
  const Archive archive(bytes, file);
  std::vector<std::pair<std::string, Tensor>> arrays;
  for (const Member& member : archive.members()) {
    std::string name = member.name;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    arrays.emplace_back(name, npy_from_bytes(archive.contents(member), file + ":" + member.name));
  }
  return arrays;
}

std::map<std::string, Tensor> read_npz(const std::filesystem::path& path) {
  std::map<std::string, Tensor> arrays;
  for (auto& [name, tensor] : read_npz_members(path)) arrays[name] = std::move(tensor);
  return arrays;
}

}  // namespace workbench
