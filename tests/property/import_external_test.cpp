// Tensors beside the model, wherever they lie in their files: what is read is what lies there, and
// whatever is wrong is one line that begins with the model's path.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "core/file.h"
#include "tests/support/onnx_model.h"
#include "tests/support/temporary_folder.h"

namespace workbench::test {
namespace {

namespace fs = std::filesystem;

constexpr int kCases = 200;
constexpr std::uint64_t kSeed = 20261123;
constexpr std::size_t kFileBytes = 4096;

std::int64_t number(std::mt19937_64& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

std::string random_bytes(std::mt19937_64& random) {
  std::string bytes(kFileBytes, '\0');
  for (char& byte : bytes) byte = static_cast<char>(number(random, 0, 255));
  return bytes;
}

struct Placed {
  std::string name, location;
  std::int64_t offset = 0, count = 0;
};

void set(onnx::TensorProto& tensor, const std::string& key, const std::string& value) {
  auto& entry = *tensor.add_external_data();
  entry.set_key(key);
  entry.set_value(value);
}

// Bytes as numbers: each is an output of the model, so that it can be looked at.
Placed place(OnnxModel& model, std::mt19937_64& random, int i) {
  constexpr const char* kFiles[] = {"a.bin", "sub/b.bin", "./a.bin"};
  Placed placed{.name = fmt::format("w{}", i), .location = kFiles[number(random, 0, 2)]};
  placed.count = number(random, 1, 64);
  placed.offset = number(random, 0, static_cast<std::int64_t>(kFileBytes) - placed.count);
  onnx::TensorProto& tensor =
      model.codes(placed.name, {placed.count}, onnx::TensorProto::UINT8, {});
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  set(tensor, "location", placed.location);
  if (placed.offset > 0 || number(random, 0, 1) == 0) {
    set(tensor, "offset", std::to_string(placed.offset));
  }
  if (number(random, 0, 1) == 0) set(tensor, "length", std::to_string(placed.count));
  model.output(placed.name);
  return placed;
}

TEST(ImportExternalProperty, tensors_are_the_bytes_where_they_lie) {
  std::mt19937_64 random(kSeed);
  RecordProperty("seed", std::to_string(kSeed));
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "sub");
  const std::map<std::string, std::string> files{{"a.bin", random_bytes(random)},
                                                 {"sub/b.bin", random_bytes(random)}};
  for (const auto& [name, bytes] : files) write_file(folder.path() / name, bytes);
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    OnnxModel model;
    model.input("x", {1}).output("y");
    model.node("Relu", {"x"}, {"y"});
    std::vector<Placed> all;
    for (int k = 0; k < 3; ++k) all.push_back(place(model, random, k));
    const fs::path path = folder.path() / "m.onnx";
    write_file(path, model.proto().SerializeAsString());
    const Graph graph = import_model(path);
    for (std::size_t k = 0; k < all.size(); ++k) {
      const Tensor& found = *graph.value(graph.outputs.at(k + 1)).constant;
      const std::string& bytes = files.at(all[k].location == "sub/b.bin" ? "sub/b.bin" : "a.bin");
      const auto values = found.values<std::uint8_t>();
      EXPECT_EQ(std::string(values.begin(), values.end()),
                bytes.substr(static_cast<std::size_t>(all[k].offset),
                             static_cast<std::size_t>(all[k].count)));
    }
  }
}

TEST(ImportExternalProperty, whatever_a_place_says_is_read_or_one_line) {
  std::mt19937_64 random(kSeed);
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "sub");
  write_file(folder.path() / "a.bin", random_bytes(random));
  constexpr const char* kLocations[] = {"a.bin",   "",  "..", "/",        "sub",    "sub/../a.bin",
                                        "a.bin/x", ".", "\n", "../a.bin", "m.onnx", "\xff"};
  constexpr const char* kNumbers[] = {"0",
                                      "1",
                                      "4095",
                                      "4096",
                                      "-1",
                                      "9223372036854775808",
                                      "0x10",
                                      "",
                                      " 1",
                                      "1e3",
                                      "18446744073709551616"};
  int imported = 0;
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    OnnxModel model;
    model.input("x", {1}).output("y");
    model.node("Relu", {"x"}, {"y"});
    onnx::TensorProto& tensor = model.codes("w", {1}, onnx::TensorProto::UINT8, {});
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    const auto pick = [&](const auto& list) {
      return list[number(random, 0, static_cast<std::int64_t>(std::size(list)) - 1)];
    };
    set(tensor, "location", number(random, 0, 1) == 0 ? "a.bin" : pick(kLocations));
    if (number(random, 0, 1) == 0) set(tensor, "offset", pick(kNumbers));
    if (number(random, 0, 2) == 0) set(tensor, "length", pick(kNumbers));
    const fs::path path = folder.path() / "m.onnx";
    write_file(path, model.proto().SerializeAsString());
    try {
      import_model(path);
      ++imported;
    } catch (const Error& error) {
      const std::string_view text = error.what();
      EXPECT_TRUE(text.starts_with(path.string() + ": ")) << text;
      EXPECT_EQ(text.find('\n'), std::string_view::npos) << text;
    }
  }
  EXPECT_GT(imported, kCases / 20);
  EXPECT_LT(imported, kCases * 19 / 20);
}

}  // namespace
}  // namespace workbench::test
