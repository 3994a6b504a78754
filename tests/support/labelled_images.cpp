#include "tests/support/labelled_images.h"

#include <zlib.h>

#include <charconv>
#include <fstream>
#include <memory>
#include <string>

#include "compiler/quantize/image.h"
#include "core/error.h"
#include "core/file.h"

namespace workbench {

namespace {

namespace fs = std::filesystem;

std::int64_t class_of(const std::string& text, const fs::path& path, std::size_t line) {
  std::int64_t label = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  if (error != std::errc() || end != text.data() + text.size() || label < 0) {
    fail("{}:{}: expected a class number, found '{}'", path.string(), line, text);
  }
  return label;
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream stream(path);
  if (!stream) fail("{}: cannot read", path.string());
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Pixels of many images of one size, back to back.
struct Pile {
  std::vector<std::uint8_t> pixels;
  std::string name;  // in errors
};

LabelledImages from_pile(Pile pile, std::vector<std::int64_t> labels, const Preprocessing& steps) {
  const auto bytes = static_cast<std::size_t>(element_count(steps.dims));
  if (pile.pixels.size() != labels.size() * bytes) {
    fail("{}: expected {} images of {}, one per label, found {} bytes", pile.name, labels.size(),
         to_string(steps.dims), pile.pixels.size());
  }
  const auto shared = std::make_shared<const Pile>(std::move(pile));  // std::function copies
  return {std::move(labels), [shared, steps, bytes](std::size_t i) {
            Image image{.height = steps.dims[1], .width = steps.dims[2], .channels = steps.dims[0]};
            const auto begin = shared->pixels.begin() + static_cast<std::ptrdiff_t>(i * bytes);
            image.pixels.assign(begin, begin + static_cast<std::ptrdiff_t>(bytes));
            return preprocess(image, steps, fmt::format("{} image {}", shared->name, i));
          }};
}

std::string read_gzip(const fs::path& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) fail("{}: cannot read", path.string());
  std::string bytes, block(1 << 16, '\0');
  int length = 0;
  while ((length = gzread(file.get(), block.data(), static_cast<unsigned>(block.size()))) > 0) {
    bytes.append(block, 0, static_cast<std::size_t>(length));
  }
  if (length < 0) fail("{}: expected gzip data, found damage", path.string());
  return bytes;
}

// The data of an idx file of unsigned bytes: after two zeros, the type, the number of dimensions,
// and the dimensions, big-endian.
std::vector<std::uint8_t> read_idx_bytes(const fs::path& path, const std::string& magic) {
  const std::string bytes = read_gzip(path);
  const std::size_t header = 4 + 4 * static_cast<std::size_t>(magic.back());
  if (bytes.size() < header || bytes.compare(0, magic.size(), magic) != 0) {
    fail("{}: expected an idx file of {} dimensions, found none", path.string(), int{magic.back()});
  }
  return {bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end()};
}

}  // namespace

LabelledImages read_labelled_folder(const fs::path& folder, const Preprocessing& steps) {
  const fs::path table = folder / "labels.tsv";
  LabelledImages images;
  std::vector<fs::path> files;
  for (const std::string& line : lines_of(table)) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) {
      fail("{}:{}: expected FILE <tab> CLASS, found '{}'", table.string(), files.size() + 1, line);
    }
    images.labels.push_back(class_of(line.substr(tab + 1), table, files.size() + 1));
    files.push_back(folder / line.substr(0, tab));
  }
  images.input = [files, steps](std::size_t i) {
    const std::string name = files.at(i).string();
    return preprocess(decode_image(read_file(files[i]), steps.dims[0], name), steps, name);
  };
  return images;
}

LabelledImages read_image_rows(const fs::path& png, const Preprocessing& steps) {
  const fs::path table = fs::path(png).replace_extension(".labels.txt");
  std::vector<std::int64_t> labels;
  for (const std::string& line : lines_of(table)) {
    labels.push_back(class_of(line, table, labels.size() + 1));
  }
  Image rows = decode_image(read_file(png), steps.dims[0], png.string());
  return from_pile({std::move(rows.pixels), png.string()}, std::move(labels), steps);
}

LabelledImages read_idx(const fs::path& prefix, const Preprocessing& steps) {
  const std::string images = prefix.string() + "-images-idx3-ubyte.gz";
  const std::vector<std::uint8_t> classes =
      read_idx_bytes(prefix.string() + "-labels-idx1-ubyte.gz", std::string("\0\0\x08\x01", 4));
  return from_pile({read_idx_bytes(images, std::string("\0\0\x08\x03", 4)), images},
                   {classes.begin(), classes.end()}, steps);
}

}  // namespace workbench
