#include "compiler/quantize/image_forms.h"

#include <algorithm>
#include <memory>

#include "compiler/quantize/image.h"
#include "compiler/quantize/image_labels.h"
#include "core/file.h"

namespace workbench {

namespace {

namespace fs = std::filesystem;

// The steps, where they make inputs of the network.
const Preprocessing& steps_of(const ImageRequest& request, const fs::path& path) {
  const Preprocessing& steps = steps_given(request, path);
  const Shape made = shape_after(steps);
  if (made != request.input_shape) {
    fail("{}: expected input shape {}, found {} after preprocessing", path.string(),
         to_string(request.input_shape), to_string(made));
  }
  return steps;
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
  const Preprocessing& steps = steps_of(request, request.path);
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
  const Preprocessing& steps = steps_of(request, request.path);
  if (steps.resize) {
    fail("{}: expected preprocessing without resize for images of a batch, found short side {}",
         request.path.string(), steps.resize->short_side);
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

}  // namespace workbench
