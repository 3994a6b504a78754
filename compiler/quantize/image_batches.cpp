// Many images in one file: rows of a PNG, and idx files.
#include <zlib.h>

#include <algorithm>
#include <memory>

#include "compiler/quantize/image.h"
#include "compiler/quantize/image_forms.h"
#include "compiler/quantize/image_labels.h"
#include "core/file.h"

namespace workbench {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIdxImages = "images-idx3-ubyte", kIdxLabels = "labels-idx1-ubyte";
constexpr std::size_t kIdxBytesMax = std::size_t{1} << 31;  // no data set of idx files is larger

fs::path lines_beside(const fs::path& png) {
  return fs::path(png).replace_extension(".labels.txt");
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string read_gzip(const fs::path& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) (void)read_file(path);  // says why
  std::string bytes, block(1 << 16, '\0');
  int length = 0;
  while ((length = gzread(file.get(), block.data(), static_cast<unsigned>(block.size()))) > 0) {
    bytes.append(block, 0, static_cast<std::size_t>(length));
    if (bytes.size() > kIdxBytesMax) fail("{}: expected less than 2 GiB", path.string());
  }
  int status = Z_OK;
  (void)gzerror(file.get(), &status);
  if (length < 0 || status != Z_OK) fail("{}: gzip data is damaged", path.string());
  return bytes;
}

// After two zeros and the type (8: bytes) the number of dimensions, the dimensions, big-endian, and
// the data.
struct Idx {
  Shape dims;
  std::vector<std::uint8_t> data;
};

Idx read_idx_bytes(const fs::path& path, std::size_t rank) {
  const std::string bytes = read_gzip(path);
  const std::size_t header = 4 + 4 * rank;
  const std::string magic = {'\0', '\0', '\x08', static_cast<char>(rank)};
  if (bytes.size() < header || bytes.compare(0, 4, magic) != 0) {
    fail("{}: expected an idx file of bytes in {} dimensions, found none", path.string(), rank);
  }
  Idx idx;
  for (std::size_t d = 0; d < rank; ++d) {
    std::int64_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      length = length << 8 | static_cast<unsigned char>(bytes[4 + 4 * d + i]);
    }
    idx.dims.push_back(length);
  }
  idx.data.assign(bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end());
  // Divided rather than multiplied: made-up dimensions overflow.
  std::int64_t left = static_cast<std::int64_t>(idx.data.size());
  for (std::size_t d = 1; d < rank; ++d) left = idx.dims[d] == 0 ? -1 : left / idx.dims[d];
  if (left != idx.dims[0] ||
      element_count(idx.dims) != static_cast<std::int64_t>(idx.data.size())) {
    fail("{}: expected data of idx dimensions {}, found {} bytes", path.string(),
         to_string(idx.dims), idx.data.size());
  }
  return idx;
}

void check_count(const Pile& pile, std::size_t images, const fs::path& labels) {
  if (images == 0) fail("{}: expected at least one image, found none", pile.name);
  if (pile.labels.size() == images) return;
  fail("{}: expected {} labels, one per image of {}, found {}", labels.string(), images, pile.name,
       pile.labels.size());
}

}  // namespace

bool is_image_rows(const fs::path& png, const ImageRequest& request) {
  if (!request.preprocessing) return false;
  // Labels of a batch say that it is one, whatever the size of its rows.
  const bool has_lines = request.with_labels && request.labels.extension() == ".txt";
  if (has_lines || is_there(lines_beside(png))) return true;
  if (request.preprocessing->resize) return false;
  const Shape& dims = request.preprocessing->dims;
  if (dims[1] == 1) return false;
  const std::optional<Image> size = image_size(read_file(png));
  return size && size->width == dims[1] * dims[2];
}

Pile read_image_rows(const fs::path& png, const ImageRequest& request) {
  const Shape& dims = steps_given(request, png).dims;
  Image rows = decode_image(read_file(png), dims[0], png.string());
  if (rows.width != dims[1] * dims[2]) {
    fail("{}: expected rows of {} pixels, one image of {} each, found {}", png.string(),
         dims[1] * dims[2], to_string(dims), rows.width);
  }
  Pile pile{.name = png.string(), .pixels = std::move(rows.pixels)};
  const fs::path labels = request.labels.empty() ? lines_beside(png) : request.labels;
  if (!request.with_labels || (request.labels.empty() && !is_there(labels))) return pile;
  pile.labels = read_label_lines(labels, request.classes);
  check_count(pile, static_cast<std::size_t>(rows.height), labels);
  return pile;
}

bool is_idx_name(const fs::path& path) {
  return path.filename().string().find(kIdxImages) != std::string::npos;
}

Pile read_idx(const fs::path& images, const ImageRequest& request) {
  const Shape& dims = steps_given(request, images).dims;
  Idx pixels = read_idx_bytes(images, 3);
  const Shape found = {1, pixels.dims[1], pixels.dims[2]};
  if (found != dims) {
    fail("{}: expected images of {}, found {}", images.string(), to_string(dims), to_string(found));
  }
  Pile pile{.name = images.string(), .pixels = std::move(pixels.data)};
  fs::path labels = request.labels;
  if (labels.empty()) {
    std::string name = images.filename().string();
    name.replace(name.find(kIdxImages), kIdxImages.size(), kIdxLabels);
    labels = images.parent_path() / name;
  }
  if (!request.with_labels || (request.labels.empty() && !is_there(labels))) return pile;
  if (labels.extension() == ".txt") {
    pile.labels = read_label_lines(labels, request.classes);
  } else {
    for (const std::uint8_t label : read_idx_bytes(labels, 1).data) {
      check_label(label, request.classes,
                  fmt::format("{}: label {}", labels.string(), pile.labels.size()));
      pile.labels.push_back(label);
    }
  }
  check_count(pile, static_cast<std::size_t>(pixels.dims[0]), labels);
  return pile;
}

}  // namespace workbench
