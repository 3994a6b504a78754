// .npz: a ZIP archive of .npy members, stored or deflated (PKWARE APPNOTE 4.3). The central
// directory is what is believed; local headers only tell where the data starts.
#include <zlib.h>

#include <string>
#include <string_view>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/npy.h"
#include "core/file.h"

namespace workbench {

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
