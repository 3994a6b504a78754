#include "data/image_lists.h"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "data/arrays.h"
#include "data/channels.h"
#include "data/image.h"
#include "data/image_set.h"

namespace workbench {

namespace {

namespace fs = std::filesystem;

// The steps, where they make inputs of the network; its channels may be at the other end.
Preprocessing steps_of(const ImageRequest& request, const fs::path& path) {
  const Preprocessing& given = steps_given(request, path);
  Preprocessing steps = given;
  for (std::size_t turns = 0; turns < steps.transpose.size(); ++turns) {
    if (shape_after(steps) == request.input_shape) return steps;
    std::ranges::rotate(steps.transpose, steps.transpose.begin() + 1);
  }
  fail("{}: expected input shape {}, found {} after preprocessing", path.string(),
       to_string(request.input_shape), to_string(shape_after(given)));
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    if (!entry->is_directory(ignored)) files.push_back(entry->path());
  }
  if (error) fail("{}: cannot read: {}", folder.string(), error.message());
  std::sort(files.begin(), files.end());
  return files;
}

// The labels of these files, and those of files that are not there.
void add_labels(const std::vector<fs::path>& files, const fs::path& table, std::int64_t classes,
                ImageList& list) {
  std::map<std::string, Label> labels = read_label_table(table, classes);
  for (const fs::path& file : files) {
    const auto found = labels.find(file.filename().string());
    list.labels.push_back(found == labels.end() ? kNoLabel : found->second.label);
    if (found != labels.end()) labels.erase(found);
  }
  for (const auto& [file, label] : labels) {
    list.strays.push_back(fmt::format("{}:{}: expected the name of an image in {}, found '{}'",
                                      table.string(), label.line,
                                      files.front().parent_path().string(), file));
  }
  std::sort(list.strays.begin(), list.strays.end());
}

ImageList list_files(const std::vector<fs::path>& files, const fs::path& table,
                     const ImageRequest& request) {
  const Preprocessing steps = steps_of(request, request.path);
  ImageList list;
  for (const fs::path& file : files) list.names.push_back(file.string());
  const auto decoded = [names = list.names, channels = steps.dims.at(0)](std::size_t i) {
    return decode_image(read_file(names.at(i)), channels, names[i]);
  };
  list.at = [decoded, names = list.names, steps](std::size_t i) {
    return preprocess(decoded(i), steps, names[i]);
  };
  list.check = [decoded, names = list.names, steps](std::size_t i) {
    check_dims(decoded(i), steps, names[i]);
  };
  if (!table.empty()) add_labels(files, table, request.classes, list);
  return list;
}

// All images of the piles, one pile after the other.
ImageList list_piles(std::vector<Pile> piles, const ImageRequest& request) {
  const Preprocessing steps = steps_of(request, request.path);
  if (steps.resize) {
    fail("{}: expected preprocessing without resize for images of a batch, found {}",
         request.path.string(),
         steps.resize->stretch ? std::string("stretch")
                               : fmt::format("short side {}", steps.resize->short_side));
  }
  const auto bytes = static_cast<std::size_t>(element_count(steps.dims));
  ImageList list;
  std::vector<std::pair<std::size_t, std::size_t>> places;  // pile, image in it
  for (std::size_t p = 0; p < piles.size(); ++p) {
    for (std::size_t i = 0; i < piles[p].pixels.size() / bytes; ++i) {
      places.emplace_back(p, i);
      list.names.push_back(fmt::format("{} image {}", piles[p].name, i));
    }
    list.labels.insert(list.labels.end(), piles[p].labels.begin(), piles[p].labels.end());
  }
  if (!list.labels.empty() && list.labels.size() != list.names.size()) {
    fail("{}: expected labels for {} images, found {}", request.path.string(), list.names.size(),
         list.labels.size());
  }
  const auto shared = std::make_shared<const std::vector<Pile>>(std::move(piles));
  list.at = [shared, places, steps, bytes, names = list.names](std::size_t i) {
    const auto [pile, image] = places.at(i);
    Image one{.height = steps.dims[1], .width = steps.dims[2], .channels = steps.dims[0]};
    const auto begin = shared->at(pile).pixels.begin() + static_cast<std::ptrdiff_t>(image * bytes);
    one.pixels.assign(begin, begin + static_cast<std::ptrdiff_t>(bytes));
    return preprocess(one, steps, names[i]);
  };
  list.check = [](std::size_t) {};  // whole piles have been read
  return list;
}

ImageList list_folder(const ImageRequest& request) {
  const std::vector<fs::path> files = files_in(request.path);
  std::vector<fs::path> images;
  std::vector<Pile> piles;
  fs::path table = request.with_labels ? request.labels : fs::path();
  if (request.with_labels && table.empty() && is_there(request.path / "labels.tsv")) {
    table = request.path / "labels.tsv";
  }
  for (const fs::path& file : files) {
    if (is_idx_name(file)) piles.push_back(read_idx(file, request));
    if (!is_image_name(file)) continue;
    const bool has_lines = is_there(fs::path(file).replace_extension(".labels.txt"));
    if (has_lines) piles.push_back(read_image_rows(file, request));
    if (!has_lines) images.push_back(file);
  }
  if (!piles.empty()) {
    const std::string batch = piles.front().name;
    ImageList list = list_piles(std::move(piles), request);
    if (!images.empty()) {
      list.left_out =
          fmt::format("{}: {} left out beside the batch {}; the first: {}", request.path.string(),
                      images.size() == 1 ? "1 image" : fmt::format("{} images", images.size()),
                      batch, images.front().string());
    }
    return list;
  }
  if (images.empty()) {
    fail("{}: expected PNG, JPEG or PPM images in the folder, found none", request.path.string());
  }
  return list_files(images, table, request);
}

}  // namespace

const Preprocessing& steps_given(const ImageRequest& request, const fs::path& images) {
  if (request.preprocessing) return *request.preprocessing;
  fail(
      "{}: an image needs preprocessing: expected MODEL.preprocess.yaml beside the model, "
      "--preprocess FILE, or --dims, --transpose, --channel-swap, --raw-scale, --mean-value and "
      "--input-scale; found none of them",
      images.string());
}

ImageList list_images(const ImageRequest& request) {
  const fs::path& path = request.path;
  std::error_code error;
  if (fs::is_directory(path, error)) return list_folder(request);
  if (is_idx_name(path)) return list_piles({read_idx(path, request)}, request);
  if (path.extension() == ".npy" || path.extension() == ".npz") return list_arrays(request);
  if (is_image_name(path)) {
    if (is_image_rows(path, request)) return list_piles({read_image_rows(path, request)}, request);
    return list_files({path}, request.with_labels ? request.labels : fs::path(), request);
  }
  (void)read_file(path);  // what is missing says so, rather than what it is not
  fail(
      "{}: expected .npy, .npz, .png, .jpg, .ppm, PREFIX-images-idx3-ubyte.gz or a folder of "
      "images, found '{}'",
      path.string(), path.extension().string());
}

namespace {

// Without the ends of lines of Windows; blank lines at the end are none.
std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::istringstream stream(read_file(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

std::int64_t class_of(const std::string& text, std::int64_t classes, const std::string& place) {
  std::int64_t label = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail("{}: expected a class number, found '{}'", place, text);
  }
  check_label(label, classes, place);
  return label;
}

}  // namespace

void check_label(std::int64_t label, std::int64_t classes, const std::string& place) {
  if (label < 0) fail("{}: expected a class from 0 on, found {}", place, label);
  if (classes > 0 && label >= classes) {
    fail("{}: expected a class below {}, the classes of the network, found {}", place, classes,
         label);
  }
}

std::map<std::string, Label> read_label_table(const std::filesystem::path& path,
                                              std::int64_t classes) {
  std::map<std::string, Label> table;
  std::size_t number = 0;
  for (const std::string& line : lines_of(path)) {
    const std::string place = fmt::format("{}:{}", path.string(), ++number);
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) {
      fail("{}: expected FILE <tab> CLASS, found '{}'", place, line);
    }
    const std::string file = line.substr(0, tab);
    const Label label{class_of(line.substr(tab + 1), classes, place), number};
    const auto [found, is_new] = table.emplace(file, label);
    if (!is_new) {
      fail("{}: expected each file once, found '{}' in line {}, too", place, file,
           found->second.line);
    }
  }
  return table;
}

std::vector<std::int64_t> read_label_lines(const std::filesystem::path& path,
                                           std::int64_t classes) {
  std::vector<std::int64_t> labels;
  for (const std::string& line : lines_of(path)) {
    labels.push_back(
        class_of(line, classes, fmt::format("{}:{}", path.string(), labels.size() + 1)));
  }
  return labels;
}

// Samples as arrays: whatever numbers the user points at become float32 tensors of the input's
// shape.

namespace {

template <typename T>
void append_floats(const Tensor& tensor, std::vector<float>& out) {
  for (const T value : tensor.values<T>()) out.push_back(static_cast<float>(value));
}

std::vector<float> as_floats(const Tensor& tensor) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(tensor.size()));
  switch (tensor.type()) {
    case ElementType::Float32:
      append_floats<float>(tensor, values);
      break;
    case ElementType::Float64:
      append_floats<double>(tensor, values);
      break;
    case ElementType::Int8:
      append_floats<std::int8_t>(tensor, values);
      break;
    case ElementType::Uint8:
      append_floats<std::uint8_t>(tensor, values);
      break;
    case ElementType::Int16:
      append_floats<std::int16_t>(tensor, values);
      break;
    case ElementType::Uint16:
      append_floats<std::uint16_t>(tensor, values);
      break;
    case ElementType::Int32:
      append_floats<std::int32_t>(tensor, values);
      break;
    case ElementType::Uint32:
      append_floats<std::uint32_t>(tensor, values);
      break;
    case ElementType::Int64:
      append_floats<std::int64_t>(tensor, values);
      break;
    case ElementType::Uint64:
      append_floats<std::uint64_t>(tensor, values);
      break;
    case ElementType::Bool:
      append_floats<bool>(tensor, values);
      break;
  }
  return values;
}

Layout layout_of(const Shape& shape) { return shape.size() == 4 ? Layout::Nchw : Layout::RowMajor; }

// One sample of the input's shape, with or without its batch dimension, or a batch of them.
void append_array(const Tensor& given, const Shape& input_shape, const std::string& name,
                  std::vector<Tensor>& samples) {
  const Tensor array = channels_as_in(input_shape, given);
  const Shape tail(input_shape.begin() + (input_shape.empty() ? 0 : 1), input_shape.end());
  const bool batched = array.rank() == input_shape.size() && !input_shape.empty() &&
                       std::equal(tail.begin(), tail.end(), array.shape().begin() + 1) &&
                       input_shape[0] > 0 && array.dim(0) % input_shape[0] == 0;
  const bool single = array.shape() == input_shape ||
                      (array.shape() == tail && !input_shape.empty() && input_shape[0] == 1);
  if ((!batched && !single) || array.size() == 0) {
    fail("{}: expected an array of shape {} (or a batch of them), found {}", name,
         to_string(input_shape), to_string(array.shape()));
  }
  const std::vector<float> values = as_floats(array);
  const auto length = static_cast<std::size_t>(element_count(input_shape));
  for (std::size_t begin = 0; begin < values.size(); begin += length) {
    samples.push_back(Tensor::from<float>(input_shape,
                                          std::span<const float>(values).subspan(begin, length),
                                          layout_of(input_shape)));
  }
}

// Whole numbers of any type.
std::vector<std::int64_t> labels_of(const Tensor& array, std::int64_t classes,
                                    const std::string& name) {
  std::vector<std::int64_t> labels;
  for (const float value : as_floats(array)) {
    if (!(std::fabs(value) < 1e9F) || value != std::floor(value))
      fail("{}: expected class numbers, found {}", name, value);
    labels.push_back(static_cast<std::int64_t>(value));
    check_label(labels.back(), classes, fmt::format("{}: label {}", name, labels.size() - 1));
  }
  return labels;
}

bool is_finite(const Tensor& sample) {
  const auto values = sample.values<float>();
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

// Labels from a file, which count before those in the archive.
void read_labels(const ImageRequest& request, ImageList& list) {
  const auto lines = std::filesystem::path(request.path).replace_extension(".labels.txt");
  const auto& path = request.labels.empty() ? lines : request.labels;
  std::error_code ignored;
  if (!request.labels.empty() || (list.labels.empty() && std::filesystem::exists(path, ignored))) {
    list.labels = read_label_lines(path, request.classes);
  }
  if (!list.labels.empty() && list.labels.size() != list.names.size()) {
    fail("{}: expected {} labels, one per sample, found {}", request.path.string(),
         list.names.size(), list.labels.size());
  }
}

}  // namespace

ImageList list_arrays(const ImageRequest& request) {
  const std::string file = request.path.string();
  ImageList list;
  std::vector<Tensor> samples;
  const auto append = [&](const Tensor& array, const std::string& name) {
    const std::size_t before = samples.size();
    append_array(array, request.input_shape, name, samples);
    for (std::size_t i = before; i < samples.size(); ++i) {
      list.names.push_back(
          samples.size() - before == 1 ? name : fmt::format("{} sample {}", name, i - before));
    }
  };
  if (request.path.extension() == ".npy") {
    append(read_npy(request.path), file);
  } else {
    for (const auto& [name, array] : read_npz(request.path)) {
      if (name != "labels") {
        append(array, file + ":" + name);
      } else if (request.with_labels) {
        list.labels = labels_of(array, request.classes, file + ":labels");
      }
    }
  }
  if (request.with_labels) read_labels(request, list);
  const auto shared = std::make_shared<const std::vector<Tensor>>(std::move(samples));
  list.at = [shared](std::size_t i) { return shared->at(i); };
  list.check = [shared, names = list.names](std::size_t i) {
    if (is_finite(shared->at(i))) return;
    fail("{}: expected finite numbers, found NaN or infinity", names.at(i));
  };
  return list;
}

// Many images in one file: rows of a PNG, and idx files.

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIdxImages = "images-idx3-ubyte", kIdxLabels = "labels-idx1-ubyte";
constexpr std::size_t kIdxBytesMax = std::size_t{1} << 31;  // no data set of idx files is larger

fs::path lines_beside(const fs::path& png) {
  return fs::path(png).replace_extension(".labels.txt");
}

std::string read_gzip(const fs::path& path) {
  const OpenFile opened(path);
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzdopen(dup(opened.descriptor()), "rb"),
                                                        gzclose);
  if (!file) fail("{}: cannot read: out of memory", path.string());
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
