// Writes the smallest ZIP archives and PNG images that the readers under test must understand.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

namespace workbench {

inline std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

inline std::string big_endian(std::uint32_t value) {
  const std::string text = little_endian(value, 4);
  return {text.rbegin(), text.rend()};
}

inline std::uint32_t checksum(const std::string& bytes) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

// window_bits as in zlib: negative for a raw deflate stream.
inline std::string deflated(const std::string& bytes, int window_bits) {
  std::string packed(compressBound(static_cast<uLong>(bytes.size())) + 64, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

struct ZipMember {
  std::string name, bytes;
  bool deflate = false;
};

inline std::string zip_bytes(const std::vector<ZipMember>& members) {
  std::string archive, directory;
  for (const ZipMember& member : members) {
    const std::string data = member.deflate ? deflated(member.bytes, -15) : member.bytes;
    const std::string common =
        little_endian(20, 2) + little_endian(0, 2) + little_endian(member.deflate ? 8 : 0, 2) +
        little_endian(0, 4) + little_endian(checksum(member.bytes), 4) +
        little_endian(data.size(), 4) + little_endian(member.bytes.size(), 4) +
        little_endian(member.name.size(), 2) + little_endian(0, 2);
    directory += "PK\x01\x02" + little_endian(20, 2) + common + little_endian(0, 2) +
                 little_endian(0, 2) + little_endian(0, 2) + little_endian(0, 4) +
                 little_endian(archive.size(), 4) + member.name;
    archive += "PK\x03\x04" + common + member.name + data;
  }
  const std::string end = "PK\x05\x06" + little_endian(0, 4) + little_endian(members.size(), 2) +
                          little_endian(members.size(), 2) + little_endian(directory.size(), 4) +
                          little_endian(archive.size(), 4) + little_endian(0, 2);
  return archive + directory + end;
}

// 8-bit RGB; `pixels` is [height, width, 3].
inline std::string png_bytes(std::uint32_t width, std::uint32_t height,
                             const std::vector<std::uint8_t>& pixels) {
  const auto chunk = [](const std::string& type, const std::string& data) {
    return big_endian(static_cast<std::uint32_t>(data.size())) + type + data +
           big_endian(checksum(type + data));
  };
  std::string rows;
  for (std::uint32_t y = 0; y < height; ++y) {
    rows += '\0';  // no filter
    const auto* row = reinterpret_cast<const char*>(pixels.data()) + y * width * 3;
    rows.append(row, row + width * 3);
  }
  const std::string header =
      big_endian(width) + big_endian(height) + std::string("\x08\x02\0\0\0", 5);
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + chunk("IDAT", deflated(rows, 15)) +
         chunk("IEND", "");
}

}  // namespace workbench
