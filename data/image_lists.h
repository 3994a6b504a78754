// The forms in which images come, each made a list of samples that are read when asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/image_set.h"

namespace workbench {

struct ImageList {
  std::vector<std::string> names;          // in errors; file names ascending
  std::vector<std::int64_t> labels;        // of each, kNoLabel where it has none; or no labels
  std::function<Tensor(std::size_t)> at;   // safe to call from several threads
  std::function<void(std::size_t)> check;  // throws Error where at() would, and is faster
  std::vector<std::string> strays;         // labels of images that are not there
  std::string left_out;                    // images beside a batch, one line; or empty
};
inline constexpr std::int64_t kNoLabel = -1;

// What `request.path` holds, before anything is selected or checked.
ImageList list_images(const ImageRequest& request);

// The request's preprocessing; an Error that says how to give some, where it has none.
const Preprocessing& steps_given(const ImageRequest& request, const std::filesystem::path& images);

// Images of one size back to back: the batches.
struct Pile {
  std::string name;  // of the file
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels;  // none, or one per image
};
Pile read_image_rows(const std::filesystem::path& png, const ImageRequest& request);
bool is_image_rows(const std::filesystem::path& png, const ImageRequest& request);
// PREFIX-images-idx3-ubyte, compressed or not: big-endian dimensions, then bytes.
Pile read_idx(const std::filesystem::path& images, const ImageRequest& request);
bool is_idx_name(const std::filesystem::path& path);

// .npy and .npz.
ImageList list_arrays(const ImageRequest& request);

// Tables of the images' classes.

// A class and the line that says so.
struct Label {
  std::int64_t label = 0;
  std::size_t line = 0;
};

// "FILE <tab> CLASS" a line. `classes` > 0: all are below that. Throws Error with file:line, also
// for a file that is named twice.
std::map<std::string, Label> read_label_table(const std::filesystem::path& path,
                                              std::int64_t classes);

// One class a line.
std::vector<std::int64_t> read_label_lines(const std::filesystem::path& path, std::int64_t classes);

// Throws Error "PLACE: expected a class ..., found LABEL".
void check_label(std::int64_t label, std::int64_t classes, const std::string& place);

}  // namespace workbench
