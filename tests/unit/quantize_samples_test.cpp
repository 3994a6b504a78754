// Calibration data from files: npy, npz, images and their preprocessing, and made up.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "data/arrays.h"
#include "data/image.h"
#include "data/image_set.h"
#include "data/samples.h"
#include "tests/support/archive.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

template <typename Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// The file name is cut off: it is a temporary one.
template <typename Action>
std::string message_of(const Action& action, const std::filesystem::path& folder) {
  const std::string text = error_of(action);
  const std::size_t at = text.find(folder.string());
  return at == std::string::npos ? text : text.substr(at + folder.string().size() + 1);
}

std::string npy_with_header(const std::string& header, const std::string& data) {
  return std::string("\x93NUMPY\x01\x00", 8) + little_endian(header.size(), 2) + header + data;
}

TEST(Npy, what_is_written_is_read) {
  const TemporaryFolder folder;
  for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 3}, Shape{0, 4}, Shape{1, 2, 3, 4}}) {
    std::vector<float> floats(static_cast<std::size_t>(element_count(shape)), 1.5F);
    const Tensor tensor = Tensor::from<float>(shape, floats);
    const std::string bytes = npy_bytes(tensor);
    EXPECT_TRUE(read_npy(folder.write("a.npy", bytes)) == tensor) << to_string(shape);
    EXPECT_EQ((bytes.size() - floats.size() * 4) % 64, 0U);  // the data are aligned
  }
  const Tensor codes = Tensor::from<std::int8_t>({2}, {-128, 127});
  EXPECT_TRUE(read_npy(folder.write("b.npy", npy_bytes(codes))) == codes);
}

TEST(Npy, headers_look_as_numpy_writes_them) {
  const std::string bytes = npy_bytes(Tensor::from<float>({3}, {1, 2, 3}));
  EXPECT_EQ(bytes.substr(10, 58), "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), } ");
  EXPECT_EQ(bytes[127], '\n');
}

TEST(Npy, what_cannot_be_read_says_why) {
  const TemporaryFolder folder;
  const auto message = [&](const std::string& bytes) {
    const auto path = folder.write("a.npy", bytes);
    return message_of([&] { read_npy(path); }, folder.path());
  };
  EXPECT_EQ(message("hello"), "a.npy: expected a .npy array, found no NUMPY magic");
  EXPECT_EQ(
      message(npy_with_header("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", "abcd")),
      "a.npy: expected a C order array, found Fortran order; numpy.ascontiguousarray makes "
      "one");
  EXPECT_EQ(
      message(npy_with_header("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "abcd")),
      "a.npy: npy dtype: expected little-endian f4, f8, i1..i8, u1..u8 or b1, found '>f4'");
  EXPECT_EQ(
      message(npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "abcd")),
      "a.npy: npy data: expected 8 bytes for float32 [2], found 4");
  EXPECT_EQ(message(npy_with_header("{'descr': '<f4'}", "")),
            "a.npy: npy header: expected descr, fortran_order and shape, found not all of them");
  EXPECT_EQ(error_of([] { read_npy("/nowhere/a.npy"); }).find("/nowhere/a.npy: cannot read"), 0U);
}

TEST(Npz, stored_and_deflated_members_are_read) {
  const TemporaryFolder folder;
  const Tensor a = Tensor::from<float>({2}, {1, 2});
  const Tensor b = Tensor::zeros(ElementType::Int32, {100, 100});
  const auto path =
      folder.write("a.npz", zip_bytes({{"a.npy", npy_bytes(a)}, {"b.npy", npy_bytes(b), true}}));
  const std::map<std::string, Tensor> arrays = read_npz(path);
  ASSERT_EQ(arrays.size(), 2U);
  EXPECT_TRUE(arrays.at("a") == a);
  EXPECT_TRUE(arrays.at("b") == b);
}

TEST(Npz, damage_is_found_by_the_checksum) {
  const TemporaryFolder folder;
  std::string bytes = zip_bytes({{"a.npy", npy_bytes(Tensor::from<float>({2}, {1, 2}))}});
  bytes[170] = static_cast<char>(bytes[170] ^ 1);  // a data byte: 30 + 5 + 128 bytes in front
  const auto path = folder.write("a.npz", bytes);
  EXPECT_EQ(message_of([&] { read_npz(path); }, folder.path()),
            "a.npz: member 'a.npy': checksum is wrong, the file is damaged");
}

TEST(Samples, an_array_may_be_one_sample_or_a_batch_of_them) {
  const TemporaryFolder folder;
  const Shape input = {1, 2, 1, 1};
  const auto batch = folder.write(
      "a.npy", npy_bytes(Tensor::from<std::int32_t>({3, 2, 1, 1}, {1, 2, 3, 4, 5, 6})));
  const std::vector<Tensor> samples = read_samples(batch, input, std::nullopt, 2);
  ASSERT_EQ(samples.size(), 2U);
  EXPECT_TRUE(samples[1] == Tensor::from<float>(input, {3, 4}));
  const auto bare = folder.write("b.npy", npy_bytes(Tensor::from<double>({2, 1, 1}, {7, 8})));
  EXPECT_TRUE(read_samples(bare, input, std::nullopt, 0)[0] == Tensor::from<float>(input, {7, 8}));
  EXPECT_EQ(message_of(
                [&] {
                  read_samples(bare, {1, 3, 1, 1}, std::nullopt, 0);
                },
                folder.path()),
            "b.npy: expected an array of shape [1, 3, 1, 1] (or a batch of them), found [2, 1, 1]");
}

Preprocessing steps_for(std::int64_t channels, std::int64_t height, std::int64_t width) {
  return {.dims = {channels, height, width}};
}

TEST(Samples, the_six_steps_are_applied_in_order) {
  const TemporaryFolder folder;
  // Two pixels: red 10, green 20, blue 30 and 40, 50, 60.
  const auto image = folder.write("a.png", png_bytes(2, 1, {10, 20, 30, 40, 50, 60}));
  Preprocessing steps = steps_for(3, 1, 2);
  steps.channel_swap = {2, 1, 0};
  steps.mean_value = {1, 2, 3};  // after the swap: of blue, green, red
  steps.input_scale = {0.5};
  const Tensor got = read_samples(image, {1, 3, 1, 2}, steps, 0).at(0);
  // blue (30, 60) - 1, green (20, 50) - 2, red (10, 40) - 3, all halved.
  EXPECT_TRUE(got == Tensor::from<float>({1, 3, 1, 2}, {14.5, 29.5, 9, 24, 3.5, 18.5}));
}

TEST(Samples, pixels_may_stay_channels_last) {
  const TemporaryFolder folder;
  const auto image = folder.write("a.png", png_bytes(2, 1, {10, 20, 30, 40, 50, 60}));
  Preprocessing steps = steps_for(3, 1, 2);
  steps.transpose = {0, 1, 2};
  steps.raw_scale = 25.5;
  const Tensor got = read_samples(image, {1, 1, 2, 3}, steps, 0).at(0);
  EXPECT_TRUE(got == Tensor::from<float>({1, 1, 2, 3}, {1, 2, 3, 4, 5, 6}));
}

// Grey 1 x 4 pixels to 2 x 2: each column is the mean of two, as their centres are between them.
TEST(Samples, stretch_scales_each_side_to_the_dims) {
  Preprocessing steps{.resize = Preprocessing::Resize{.stretch = true},
                      .dims = {1, 2, 2},
                      .transpose = {2, 0, 1}};
  const Image image{.height = 1, .width = 4, .channels = 1, .pixels = {10, 20, 50, 90}};
  const Tensor found = preprocess(image, steps, "wide");
  EXPECT_EQ(found.shape(), (Shape{1, 1, 2, 2}));
  const auto values = found.values<float>();
  EXPECT_EQ((std::vector<float>{values.begin(), values.end()}),
            (std::vector<float>{15, 70, 15, 70}));
}

TEST(Samples, resize_scales_the_short_side_and_crops_the_centre) {
  const TemporaryFolder folder;
  // A grey ramp, 8 wide and 2 high. Short side 1 halves it: bilinear centres fall between pixels
  // 2i and 2i+1, so the values are 5, 25, 45, 65; the centre crop of 1 starts at (4 - 1) / 2 = 1.
  std::string ppm = "P5\n8 2\n255\n";
  for (int y = 0; y < 2; ++y) {
    for (int x = 0; x < 8; ++x) ppm += static_cast<char>(10 * x);
  }
  const auto image = folder.write("a.pgm", ppm);
  Preprocessing steps = steps_for(1, 1, 1);
  steps.resize = Preprocessing::Resize{.short_side = 1, .centre_crop = 1};
  const Tensor got = read_samples(image, {1, 1, 1, 1}, steps, 0).at(0);
  EXPECT_TRUE(got == Tensor::from<float>({1, 1, 1, 1}, {25}));
}

TEST(Samples, folders_give_their_images_by_name) {
  const TemporaryFolder folder;
  folder.write("b.ppm", "P6\n1 1\n255\n" + std::string(3, 'b'));
  folder.write("a.PPM", "P6\n1 1\n255\n" + std::string(3, 'a'));
  folder.write("notes.txt", "no image");
  const auto samples = read_samples(folder.path(), {1, 3, 1, 1}, steps_for(3, 1, 1), 0);
  ASSERT_EQ(samples.size(), 2U);
  EXPECT_EQ(samples[0].values<float>()[0], 97.0F);
  EXPECT_EQ(samples[1].values<float>()[0], 98.0F);
  EXPECT_EQ(read_samples(folder.path(), {1, 3, 1, 1}, steps_for(3, 1, 1), 1).size(), 1U);
}

TEST(Samples, what_cannot_be_used_says_what_is_needed) {
  const TemporaryFolder folder;
  const Shape input = {1, 3, 1, 1};
  const auto message = [&](const std::filesystem::path& path,
                           const std::optional<Preprocessing>& steps) {
    return message_of([&] { read_samples(path, input, steps, 0); }, folder.path());
  };
  const std::string whole = error_of([&] { read_samples(folder.path(), input, std::nullopt, 0); });
  EXPECT_EQ(whole, folder.path().string() +
                       ": expected PNG, JPEG or PPM images in the folder, found none");
  const auto image = folder.write("a.ppm", "P6\n2 1\n255\n" + std::string(6, 'a'));
  EXPECT_EQ(message(image, std::nullopt),
            "a.ppm: an image needs preprocessing: expected MODEL.preprocess.yaml beside the model, "
            "--preprocess FILE, or --dims, --transpose, --channel-swap, --raw-scale, --mean-value "
            "and --input-scale; found none of them");
  EXPECT_EQ(message(image, steps_for(3, 1, 1)),
            "a.ppm: expected dims [3, 1, 1], found [3, 1, 2] (preprocessing says resize: none)");
  EXPECT_EQ(message(image, steps_for(3, 1, 2)),
            "a.ppm: expected input shape [1, 3, 1, 1], found [1, 3, 1, 2] after preprocessing");
  EXPECT_EQ(message(folder.write("a.txt", ""), std::nullopt),
            "a.txt: expected .npy, .npz, .png, .jpg, .ppm, PREFIX-images-idx3-ubyte.gz or a folder "
            "of images, found '.txt'");
  EXPECT_EQ(message(folder.write("bad.png", "no png"), steps_for(3, 1, 1))
                .find("bad.png: expected a PNG, JPEG or PPM image, found none"),
            0U);
}

TEST(Preprocess, yaml_with_every_step_is_read) {
  const TemporaryFolder folder;
  const Preprocessing steps = read_preprocessing(folder.write("a.yaml", R"(# comment
resize: {short_side: 256, centre_crop: 224}
dims: [3, 224, 224]
transpose: [2, 0, 1]
channel_swap: [2, 1, 0]
raw_scale: 255.0
mean_value: [104.0, 117.0, 123.0]
input_scale: 0.5
labels: ilsvrc
)"));
  EXPECT_EQ(steps.resize->short_side, 256);
  EXPECT_EQ(steps.resize->centre_crop, 224);
  EXPECT_EQ(steps.dims, (std::vector<std::int64_t>{3, 224, 224}));
  EXPECT_EQ(steps.channel_swap, (std::vector<std::int64_t>{2, 1, 0}));
  EXPECT_EQ(steps.mean_value, (std::vector<double>{104, 117, 123}));
  EXPECT_EQ(steps.input_scale, (std::vector<double>{0.5}));
  EXPECT_EQ(steps.labels, "ilsvrc");
}

TEST(Preprocess, yaml_errors_name_the_line) {
  const TemporaryFolder folder;
  const auto message = [&](const std::string& text) {
    const auto path = folder.write("a.yaml", text);
    return message_of([&] { read_preprocessing(path); }, folder.path());
  };
  EXPECT_EQ(message("labels: none\n"), "a.yaml:1: dims: expected [C, H, W], found none");
  EXPECT_EQ(message("dims: [3, 4, 4]\nmean_value: [1, 2]\n"),
            "a.yaml:2: mean_value: expected 3 entries, one per channel, found a list of 2");
  EXPECT_EQ(message("dims: [3, 0, 4]\n"),
            "a.yaml:1: dims: expected whole numbers 1..16384, found '0'");
  EXPECT_EQ(message("dims: [3, 4, 4]\n\nsharpen: 1\n"),
            "a.yaml:3: expected resize, dims, transpose, channel_swap, raw_scale, mean_value, "
            "input_scale or labels, found 'sharpen'");
  EXPECT_EQ(message("dims: [3, 4, 4]\nresize: {short_side: 4, centre_crop: 5}\n"),
            "a.yaml:2: resize: expected centre_crop <= short_side, found 5 > 4");
  EXPECT_EQ(message("dims: [3, 4, 4]\ntranspose: [0, 1, 1]\n"),
            "a.yaml:2: transpose: expected each index once, from 0 on, found 0,1,1");
  EXPECT_EQ(message("dims: [3, 4, 4\n").find("a.yaml:"), 0U);
  EXPECT_EQ(message(""), "a.yaml:1: preprocessing: expected a map of steps, found nothing");
}

TEST(Synthetic, data_are_seeded_centred_and_smooth) {
  const Shape shape = {1, 3, 64, 64};
  const Tensor a = synthetic_sample(shape, 7);
  EXPECT_TRUE(a == synthetic_sample(shape, 7));
  EXPECT_FALSE(a == synthetic_sample(shape, 8));
  const auto values = a.values<float>();
  double sum = 0, squares = 0, steps = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += values[i];
    squares += values[i] * values[i];
    if (i % 64 != 0) steps += std::fabs(values[i] - values[i - 1]);
    ASSERT_LE(std::fabs(values[i]), 120.0F);
  }
  const auto count = static_cast<double>(values.size());
  EXPECT_NEAR(sum / count, 0, 5);                  // clamping shifts it a little
  EXPECT_NEAR(std::sqrt(squares / count), 57, 5);  // 60 before clamping at two deviations
  EXPECT_LT(steps / count, 20);                    // white noise of that deviation would step by 68
}

TEST(Synthetic, any_shape_gets_data) {
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{1, 10}, Shape{1, 3, 1, 1}, Shape{2, 3, 4}}) {
    EXPECT_EQ(synthetic_sample(shape, 1).shape(), shape);
  }
}

TEST(Samples, shipped_photos_are_read_with_their_models_preprocessing) {
  const char* variable = std::getenv("WORKBENCH_SHARED");
  const std::filesystem::path shared = variable != nullptr ? variable : "../shared";
  const auto yaml =
      shared / "networks/models/squeezenet1.1/squeezenet1.1_fp32_from_fp16.preprocess.yaml";
  const auto photos = shared / "images/imagenet500_256";
  if (!std::filesystem::exists(yaml) || !std::filesystem::exists(photos)) {
    GTEST_SKIP() << "the shared photos are not here (WORKBENCH_SHARED)";
  }
  const auto samples = read_samples(photos, {1, 3, 224, 224}, read_preprocessing(yaml), 2);
  ASSERT_EQ(samples.size(), 2U);
  double sum = 0;
  for (const float value : samples[0].values<float>()) {
    ASSERT_TRUE(value >= -123 && value <= 255 - 104);
    sum += value;
  }
  EXPECT_NE(sum, 0);
}

}  // namespace
}  // namespace workbench
