// Image sets in the forms they come in, what is picked of them, and what is wrong with them.
#include "data/image_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "compiler/quantize/calibrate.h"
#include "data/arrays.h"
#include "data/image.h"
#include "tests/support/archive.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

using Rows = std::vector<std::size_t>;
using Labels = std::vector<std::int64_t>;

constexpr int kGzip = 31;  // zlib's window bits for a gzip stream

std::vector<float> values_of(const ImageSet& set, std::size_t i) {
  const Tensor tensor = set.samples.at(i).at(0);
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

ImageRequest request_for(const std::filesystem::path& path, const Shape& dims) {
  const Preprocessing steps{.dims = dims};
  return {.path = path, .input_shape = shape_after(steps), .preprocessing = steps};
}

// The folder is cut off: it is a temporary one.
template <typename Action>
std::string message_of(const Action& action, const TemporaryFolder& folder) {
  std::string text = "no error";
  try {
    action();
  } catch (const Error& error) {
    text = error.what();
  }
  const std::string prefix = folder.path().string() + "/";
  for (std::size_t at = 0; (at = text.find(prefix)) != std::string::npos;) {
    text.erase(at, prefix.size());
  }
  return text;
}

std::string message_of(const ImageRequest& request, const TemporaryFolder& folder) {
  return message_of([&] { open_images(request); }, folder);
}

std::string ppm(char value) { return "P6\n1 1\n255\n" + std::string(3, value); }

// a.ppm to j.ppm, pixels 'a' to 'j', classes 0 to 9.
ImageRequest ten_images(const TemporaryFolder& folder) {
  std::string table;
  for (char c = 'a'; c <= 'j'; ++c) {
    folder.write(std::string(1, c) + ".ppm", ppm(c));
    table += fmt::format("{}.ppm\t{}\n", c, c - 'a');
  }
  folder.write("labels.tsv", table);
  return request_for(folder.path(), {3, 1, 1});
}

TEST(ImageSet, of_a_folder_is_in_the_order_of_names_with_labels_from_the_table) {
  const TemporaryFolder folder;
  folder.write("a.png", png_bytes(1, 1, {1, 2, 3}));
  folder.write("b.png", png_bytes(1, 1, {4, 5, 6}));
  folder.write("labels.tsv", "b.png\t7\r\na.png\t0\r\n\n");
  const ImageSet set = open_images(request_for(folder.path(), {3, 1, 1}));
  EXPECT_EQ(set.labels, (Labels{0, 7}));
  EXPECT_EQ(values_of(set, 0), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(values_of(set, 1), (std::vector<float>{4, 5, 6}));
  EXPECT_TRUE(set.warnings.empty());
}

TEST(ImageSet, labels_may_lie_elsewhere_or_not_matter) {
  const TemporaryFolder folder, other;
  folder.write("a.png", png_bytes(1, 1, {1, 2, 3}));
  folder.write("labels.tsv", "damage");
  ImageRequest request = request_for(folder.path(), {3, 1, 1});
  request.labels = other.write("classes.txt", "a.png\t5\n");
  EXPECT_EQ(open_images(request).labels, (Labels{5}));
  request.with_labels = false;
  EXPECT_EQ(open_images(request).labels, Labels{});
}

TEST(ImageSet, rows_of_a_png_are_cut_pixel_after_pixel) {
  const TemporaryFolder folder;
  // Two images of 2x1, one a row: planes come apart in the tensor.
  const auto png =
      folder.write("a.png", png_bytes(2, 2, {1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16}));
  EXPECT_EQ(open_images(request_for(png, {3, 2, 1})).names.size(), 2U);
  folder.write("a.labels.txt", "3\n9\n");
  for (const std::filesystem::path& path : {png, folder.path()}) {
    const ImageSet set = open_images(request_for(path, {3, 2, 1}));
    EXPECT_EQ(set.labels, (Labels{3, 9}));
    EXPECT_EQ(values_of(set, 1), (std::vector<float>{11, 14, 12, 15, 13, 16}));
  }
}

TEST(ImageSet, images_beside_a_batch_are_told_of) {
  const TemporaryFolder folder;
  const auto batch = folder.write("b.png", png_bytes(1, 2, {1, 2, 3, 4, 5, 6}));
  folder.write("b.labels.txt", "3\n9\n");
  EXPECT_TRUE(open_images(request_for(folder.path(), {3, 1, 1})).warnings.empty());
  const auto first = folder.write("a.png", png_bytes(1, 1, {1, 2, 3}));
  folder.write("c.png", png_bytes(1, 1, {1, 2, 3}));
  EXPECT_EQ(open_images(request_for(folder.path(), {3, 1, 1})).warnings,
            std::vector{fmt::format("{}: 2 images left out beside the batch {}; the first: {}",
                                    folder.path().string(), batch.string(), first.string())});
}

// A batch for another network is nothing to do with labels, whatever form these have.
TEST(ImageSet, rows_of_another_size_are_told_before_labels) {
  const TemporaryFolder folder;
  const auto png = folder.write("a.png", png_bytes(2, 1, {1, 2, 3, 4, 5, 6}));
  ImageRequest request = request_for(png, {3, 4, 4});
  request.preprocessing->resize = Preprocessing::Resize{.short_side = 5, .centre_crop = 4};
  const std::string message =
      "a.png: expected rows of 16 pixels, one image of [3, 4, 4] each, found 2";
  request.labels = folder.write("b.txt", "3\n");
  EXPECT_EQ(message_of(request, folder), message);
  folder.write("a.labels.txt", "3\n9\n");
  request.labels.clear();
  EXPECT_EQ(message_of(request, folder), message);
  request.path = folder.path();
  EXPECT_EQ(message_of(request, folder), message);
}

// Whatever form they have, the same error says how to give some.
TEST(ImageSet, images_without_preprocessing_are_told_what_to_give) {
  const TemporaryFolder folder;
  folder.write("a.labels.txt", "3\n");
  for (const std::string name : {"a.png", "b.png", "t-images-idx3-ubyte.gz"}) {
    ImageRequest request = request_for(folder.write(name, png_bytes(1, 1, {1, 2, 3})), {3, 1, 1});
    request.preprocessing.reset();
    EXPECT_EQ(message_of(request, folder)
                  .find(name + ": an image needs preprocessing: expected "
                               "MODEL.preprocess.yaml beside the model"),
              0U)
        << message_of(request, folder);
  }
}

// Two images of 1x2, of classes 5 and 6.
void write_idx(const TemporaryFolder& folder) {
  const std::string magic("\0\0\x08", 3), pixels = {1, 2, 3, 4};
  folder.write(
      "t-images-idx3-ubyte.gz",
      deflated(magic + '\3' + big_endian(2) + big_endian(1) + big_endian(2) + pixels, kGzip));
  folder.write("t-labels-idx1-ubyte.gz",
               deflated(magic + '\1' + big_endian(2) + "\x05\x06", kGzip));
}

TEST(ImageSet, idx_files_are_inflated) {
  const TemporaryFolder folder;
  write_idx(folder);
  const auto images = folder.path() / "t-images-idx3-ubyte.gz";
  for (const std::filesystem::path& path : {images, folder.path()}) {
    const ImageSet set = open_images(request_for(path, {1, 1, 2}));
    EXPECT_EQ(set.labels, (Labels{5, 6}));
    EXPECT_EQ(values_of(set, 1), (std::vector<float>{3, 4}));
  }
  EXPECT_EQ(message_of(request_for(images, {1, 1, 3}), folder),
            "t-images-idx3-ubyte.gz: expected images of [1, 1, 3], found [1, 1, 2]");
  ImageRequest few = request_for(images, {1, 1, 2});
  few.classes = 6;
  EXPECT_EQ(message_of(few, folder),
            "t-labels-idx1-ubyte.gz: label 1: expected a class below 6, the classes of the "
            "network, found 6");
}

TEST(ImageSet, arrays_may_bring_their_labels) {
  const TemporaryFolder folder;
  const std::string images = npy_bytes(Tensor::from<float>({2, 1, 1, 1}, {10, 20}));
  const std::string labels = npy_bytes(Tensor::from<std::int64_t>({2}, {4, 2}));
  ImageRequest request{
      .path = folder.write("a.npz", zip_bytes({{"labels.npy", labels}, {"x.npy", images}})),
      .input_shape = {1, 1, 1, 1}};
  const ImageSet set = open_images(request);
  EXPECT_EQ(set.labels, (Labels{4, 2}));
  EXPECT_EQ(values_of(set, 1), (std::vector<float>{20}));
  request.path = folder.write("b.npy", images);
  EXPECT_TRUE(open_images(request).labels.empty());
  folder.write("b.labels.txt", "8\n7\n");
  EXPECT_EQ(open_images(request).labels, (Labels{8, 7}));
  folder.write("b.labels.txt", "8\n");
  EXPECT_EQ(message_of(request, folder), "b.npy: expected 2 labels, one per sample, found 1");
}

TEST(ImageSet, numbers_that_are_none_are_named) {
  const TemporaryFolder folder;
  const std::vector<float> values = {1, std::nanf(""), 3};
  ImageRequest request{
      .path = folder.write("a.npy", npy_bytes(Tensor::from<float>({3, 1}, values))),
      .input_shape = {1, 1}};
  EXPECT_EQ(message_of(request, folder),
            "a.npy sample 1: expected finite numbers, found NaN or infinity (--skip-bad leaves "
            "out such images)");
  request.skip_bad = true;
  const ImageSet set = open_images(request);
  EXPECT_EQ(set.names.size(), 2U);
  EXPECT_EQ(values_of(set, 1), (std::vector<float>{3}));
}

TEST(Selection, indices_refer_to_names_in_ascending_order) {
  const TemporaryFolder folder;
  ImageRequest request = ten_images(folder);
  request.selection.indices = {7, 2};
  const ImageSet set = open_images(request);
  EXPECT_EQ(set.labels, (Labels{7, 2}));
  EXPECT_EQ(values_of(set, 0), (std::vector<float>{'h', 'h', 'h'}));
}

TEST(Selection, a_seed_picks_and_no_seed_takes_the_first) {
  const TemporaryFolder folder;
  ImageRequest request = ten_images(folder);
  request.selection.size = 3;
  EXPECT_EQ(open_images(request).labels, (Labels{0, 1, 2}));
  std::set<Labels> seen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    request.selection.seed = seed;
    const Labels labels = open_images(request).labels;
    EXPECT_EQ(labels, open_images(request).labels);
    EXPECT_EQ(labels.size(), 3U);
    EXPECT_TRUE(std::is_sorted(labels.begin(), labels.end()));
    seen.insert(labels);
  }
  EXPECT_GT(seen.size(), 10U);
}

TEST(Selection, contradictions_are_refused) {
  const TemporaryFolder folder;
  ImageRequest request = ten_images(folder);
  const auto message = [&](Selection selection) {
    request.selection = std::move(selection);
    return message_of(request, folder);
  };
  EXPECT_EQ(message({.seed = 1, .indices = {1}}),
            "calibration: seed and indices exclude each other, found both");
  EXPECT_EQ(message({.size = 2, .indices = {1}}),
            "calibration: expected as many indices as the size says, 2, found 1");
  EXPECT_EQ(message({.indices = {1, 1}}), "calibration: index 1 is there twice");
  EXPECT_NE(message({.indices = {10}}).find("expected indices below 10, the number of images"),
            std::string::npos);
  request.selection = {.size = 11};
  EXPECT_EQ(open_images(request).warnings.size(), 1U);
}

TEST(Selection, indices_are_written_as_lists_and_ranges) {
  EXPECT_EQ(parse_indices("0,4,7-9"), (Rows{0, 4, 7, 8, 9}));
  for (const char* text : {"", "a", "1,", "3-1", "-1", "1-", "1 2", "99999999999999999999"}) {
    EXPECT_THROW(parse_indices(text), Error) << text;
  }
}

TEST(ImageSet, what_cannot_be_read_is_named_counted_and_skipped_on_demand) {
  const TemporaryFolder folder;
  ImageRequest request = ten_images(folder);
  folder.write("c.ppm", "no image");
  folder.write("e.ppm", "P6\n1 1\n255\n" + std::string(1, 'e'));
  const std::string first =
      "c.ppm: expected a PNG, JPEG or PPM image, found none (unknown image "
      "type)";
  EXPECT_EQ(message_of(request, folder).substr(0, 20), first.substr(0, 20));
  EXPECT_NE(message_of(request, folder).find("; and 1 more that cannot be used (--skip-bad"),
            std::string::npos);
  request.skip_bad = true;
  const ImageSet set = open_images(request);
  EXPECT_EQ(set.labels, (Labels{0, 1, 3, 5, 6, 7, 8, 9}));
  ASSERT_EQ(set.warnings.size(), 1U);
  EXPECT_NE(set.warnings[0].find(": 2 skipped, 8 left; the first: "), std::string::npos);
  request.selection.size = 4;  // others take their places
  EXPECT_EQ(open_images(request).labels, (Labels{0, 1, 3, 5}));
}

TEST(ImageSet, of_other_sizes_or_channels_is_refused) {
  const TemporaryFolder folder;
  const auto image = folder.write("a.png", png_bytes(2, 1, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(message_of(request_for(image, {3, 1, 1}), folder),
            "a.png: expected dims [3, 1, 1], found [3, 1, 2] (preprocessing says resize: none)");
  EXPECT_EQ(message_of(request_for(image, {1, 1, 2}), folder),
            "a.png: expected 1 channel (grey), found 3 channels (RGB)");
  ImageRequest other = request_for(image, {3, 1, 2});
  other.input_shape = {1, 3, 2, 2};
  EXPECT_EQ(message_of(other, folder),
            "a.png: expected input shape [1, 3, 2, 2], found [1, 3, 1, 2] after preprocessing");
}

TEST(ImageSet, tables_that_do_not_fit_are_refused) {
  const TemporaryFolder folder;
  ImageRequest request = ten_images(folder);
  request.classes = 10;
  const auto message = [&](const std::string& table) {
    folder.write("labels.tsv", table);
    return message_of(request, folder);
  };
  EXPECT_EQ(message("a.ppm 3\n"), "labels.tsv:1: expected FILE <tab> CLASS, found 'a.ppm 3'");
  EXPECT_EQ(message("a.ppm\tcat\n"), "labels.tsv:1: expected a class number, found 'cat'");
  EXPECT_EQ(message("a.ppm\t10\n"),
            "labels.tsv:1: expected a class below 10, the classes of the network, found 10");
  EXPECT_EQ(message("a.ppm\t-1\n"), "labels.tsv:1: expected a class from 0 on, found -1");
  EXPECT_EQ(message("a.ppm\t1\na.ppm\t2\n"),
            "labels.tsv:2: expected each file once, found 'a.ppm' in line 1, too");
  EXPECT_EQ(message("a.ppm\t1\n"),
            "b.ppm: has no label; and 8 more that cannot be used (--skip-bad leaves out such "
            "images)");
  std::string all = "gone.ppm\t1\n";
  for (char c = 'a'; c <= 'j'; ++c) all += fmt::format("{}.ppm\t1\n", c);
  EXPECT_EQ(message(all), "labels.tsv:1: expected the name of an image in " +
                              folder.path().string() +
                              ", found 'gone.ppm' (--skip-bad leaves out such images)");
}

TEST(ImageSet, empty_and_lonely_sets_are_told) {
  const TemporaryFolder folder;
  EXPECT_NE(message_of(request_for(folder.path(), {3, 1, 1}), folder).find("found none"),
            std::string::npos);
  const auto image = folder.write("a.ppm", ppm('a'));
  const ImageSet set = open_images(request_for(image, {3, 1, 1}));
  ASSERT_EQ(set.warnings.size(), 1U);
  EXPECT_NE(set.warnings[0].find("a set of one image"), std::string::npos);
  folder.write("a.ppm", "damage");
  ImageRequest request = request_for(folder.path(), {3, 1, 1});
  request.skip_bad = true;
  EXPECT_NE(message_of(request, folder).find("no image is left"), std::string::npos);
}

TEST(Split, is_disjoint_complete_and_seeded) {
  const TemporaryFolder folder;
  const ImageSet set = open_images(ten_images(folder));
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    for (const std::size_t count : {0UL, 3UL, 9UL}) {
      const Split parts = split(set, count, seed);
      EXPECT_EQ(parts.chosen.labels, split(set, count, seed).chosen.labels);
      EXPECT_EQ(parts.chosen.names.size(), count);
      Labels all = parts.chosen.labels;
      all.insert(all.end(), parts.rest.labels.begin(), parts.rest.labels.end());
      std::sort(all.begin(), all.end());
      EXPECT_EQ(all, set.labels);
      EXPECT_EQ(values_of(parts.rest, 0)[0], static_cast<float>('a' + parts.rest.labels[0]));
    }
  }
  for (const std::size_t count : {10UL, 32UL}) {
    try {
      (void)split(set, count, 1);
      ADD_FAILURE() << "no image is left";
    } catch (const Error& error) {
      EXPECT_EQ(error.what(),
                fmt::format("{}: expected more than {} images, as {} are to calibrate with, found "
                            "10",
                            set.name, count, count));
    }
  }
}

TEST(PreprocessingOptions, override_the_file_step_by_step) {
  const TemporaryFolder folder;
  const auto file = folder.write("a.yaml",
                                 "resize: {short_side: 8, centre_crop: 4}\ndims: [3, 4, 4]\n"
                                 "mean_value: [1, 2, 3]\nraw_scale: 255\n");
  const auto steps =
      merge_preprocessing(file, {.resize = "16,4", .channel_swap = "2,1,0", .input_scale = "0.5"});
  ASSERT_TRUE(steps.has_value());
  EXPECT_EQ(steps->resize->short_side, 16);
  EXPECT_EQ(steps->channel_swap, (std::vector<std::int64_t>{2, 1, 0}));
  EXPECT_EQ(steps->mean_value, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(steps->input_scale, (std::vector<double>{0.5}));
  EXPECT_FALSE(merge_preprocessing(file, {.resize = "none"})->resize.has_value());
  EXPECT_FALSE(merge_preprocessing("", {}).has_value());
}

TEST(PreprocessingOptions, width_and_height_stretch_each_side) {
  const TemporaryFolder folder;
  const auto file = folder.write("a.yaml", "resize: 2x1\ndims: [1, 1, 2]\nmean_value: 0\n");
  const Preprocessing steps = read_preprocessing(file);
  // Rows 0 40 80 120 and 20 60 100 140: centres of the two columns lie between the first two and
  // the last two pixels, that of the row between both rows.
  const Image image{
      .height = 2, .width = 4, .channels = 1, .pixels = {0, 40, 80, 120, 20, 60, 100, 140}};
  const Tensor input = preprocess(image, steps, "a");
  EXPECT_EQ(input.shape(), (Shape{1, 1, 1, 2}));
  EXPECT_EQ(input.values<float>()[0], 30);
  EXPECT_EQ(input.values<float>()[1], 110);
  const auto other = with_options(steps, {.resize = "320x240"});
  EXPECT_EQ(message_of([&] { (void)preprocess(image, other, "a.png"); }, folder),
            "a.png: expected dims [1, 1, 2], found [1, 240, 320] after resize");
  EXPECT_EQ(message_of([&] { (void)with_options(steps, {.resize = "320x"}); }, folder),
            "--resize 320x: expected WIDTHxHEIGHT of whole numbers 1..16384, found '320x'");
  EXPECT_EQ(message_of([&] { (void)with_options(steps, {.resize = "320"}); }, folder),
            "--resize 320: expected none, stretch, WIDTHxHEIGHT or {short_side: N, centre_crop: "
            "N}, found '320'");
}

TEST(Preprocessing, what_is_written_is_read_again) {
  const TemporaryFolder folder;
  for (const char* resize : {"none", "stretch", "5x4", "8,4"}) {
    const Preprocessing steps =
        with_options({.labels = "cifar10"}, {.resize = resize,
                                             .dims = "3,4,5",
                                             .transpose = "0,1,2",
                                             .channel_swap = "2,1,0",
                                             .raw_scale = "1",
                                             .mean_value = "0.485,0.456,0.406",
                                             .input_scale = "4.366812227074235"});
    const auto file = folder.write("a.yaml", preprocessing_text(steps));
    const Preprocessing read = read_preprocessing(file);
    EXPECT_EQ(preprocessing_text(read), preprocessing_text(steps)) << resize;
    EXPECT_EQ(shape_after(read), (Shape{1, 4, 5, 3}));
    EXPECT_EQ(read.mean_value, steps.mean_value);
    EXPECT_EQ(read.input_scale, steps.input_scale);
    EXPECT_EQ(read.labels, "cifar10");
  }
}

TEST(PreprocessingOptions, stand_alone_when_all_are_given) {
  const TemporaryFolder folder;
  PreprocessingOptions options{.dims = "3,4,5",
                               .transpose = "2,0,1",
                               .channel_swap = "2,1,0",
                               .raw_scale = "255",
                               .mean_value = "104,117,123",
                               .input_scale = "1"};
  EXPECT_EQ(shape_after(*merge_preprocessing("", options)), (Shape{1, 3, 4, 5}));
  options.mean_value = "1,2";
  EXPECT_EQ(message_of([&] { merge_preprocessing("", options); }, folder),
            "--mean-value 1,2: expected 3 entries, one per channel, found a list of 2");
  options.mean_value.clear();
  options.raw_scale.clear();
  EXPECT_EQ(message_of([&] { merge_preprocessing("", options); }, folder),
            "preprocessing: expected all steps, as there is no MODEL.preprocess.yaml; missing: "
            "--raw-scale, --mean-value");
  options = {.dims = "3,x,4"};
  const auto file = folder.write("a.yaml", "dims: [3, 4, 4]\n");
  EXPECT_EQ(message_of([&] { merge_preprocessing(file, options); }, folder),
            "--dims 3,x,4: expected whole numbers 1..16384, found 'x'");
}

}  // namespace
}  // namespace workbench
