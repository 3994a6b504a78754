// The content address of a point: what it must depend on, and what it must not.
#include <gtest/gtest.h>

#include "explore/sweep/point.h"
#include "tests/support/onnx_model.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

class PointKey : public testing::Test {
 protected:
  PointKey() {
    folder_.write("machine.yaml", "family: xdnn\n");
    folder_.write("net.onnx", test::model_with_external_data("weights.bin"));
    folder_.write("weights.bin", "weights");
    point_ = {.network = path("net.onnx"),
              .machine = path("machine.yaml"),
              .settings = {{"dsp", "96"}, {"memory", "4"}}};
  }

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  std::string key() const { return point_key(point_, "program"); }
  std::string error() const {
    try {
      key();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;
  Point point_;
};

TEST_F(PointKey, is_the_same_for_the_same_question) {
  const std::string first = key();
  EXPECT_EQ(first.size(), 64U);
  std::swap(point_.settings[0], point_.settings[1]);
  EXPECT_EQ(key(), first) << "the order of the settings is no part of the question";
}

TEST_F(PointKey, names_contents_and_not_files) {
  const std::string first = key();
  std::filesystem::copy(path("net.onnx"), path("copy.onnx"));
  std::filesystem::copy(path("machine.yaml"), path("copy.yaml"));
  point_.network = path("copy.onnx");
  point_.machine = path("copy.yaml");
  EXPECT_EQ(key(), first);
}

TEST_F(PointKey, differs_with_everything_that_the_answer_depends_on) {
  std::set<std::string> keys{key()};
  const auto is_new = [&] { return keys.insert(key()).second; };
  point_.tier = Tier::Transaction;
  EXPECT_TRUE(is_new());
  point_.settings[0].value = "48";
  EXPECT_TRUE(is_new());
  point_.settings.pop_back();
  EXPECT_TRUE(is_new());
  folder_.write("machine.yaml", "family: pulp\n");
  EXPECT_TRUE(is_new()) << "machine file";
  folder_.write("net.preprocess.yaml", "scale: 2");
  EXPECT_TRUE(is_new()) << "preprocessing beside the network";
  folder_.write("weights.bin", "WEIGHTS");
  EXPECT_TRUE(is_new()) << "external data";
  folder_.write("more.bin", "more");
  folder_.write("net.onnx", test::model_with_external_data("more.bin"));
  EXPECT_TRUE(is_new()) << "network file";
  point_.network = "zoo:mobilenet_v1";
  EXPECT_TRUE(is_new());
  point_.network = "zoo:mobilenet_v1?width=0.5";
  EXPECT_TRUE(is_new());
  EXPECT_TRUE(keys.insert(point_key(point_, "another program")).second);
}

TEST_F(PointKey, takes_the_contents_of_files_that_settings_name) {
  std::filesystem::create_directory(path("images"));
  folder_.write("images/one.png", "1");
  point_.settings.push_back({"calibration", path("images")});
  const std::string one = key();
  folder_.write("images/two.png", "2");
  const std::string two = key();
  EXPECT_NE(one, two);
  std::filesystem::rename(path("images"), path("pictures"));
  point_.settings.back().value = path("pictures");
  EXPECT_EQ(key(), two);
}

// A Caffe network consists of two files, whether or not --weights names the second.
TEST_F(PointKey, takes_the_weights_beside_a_caffe_network) {
  point_.network = folder_.write("net.prototxt", "name: 'x' layer { }").string();
  const std::string alone = key();
  folder_.write("net.caffemodel", "one");
  const std::string one = key();
  EXPECT_NE(one, alone);
  folder_.write("net.caffemodel", "another");
  EXPECT_NE(key(), one);
  point_.settings.push_back({"weights", path("weights.bin")});
  const std::string named = key();
  folder_.write("weights.bin", "WEIGHTS");
  EXPECT_NE(key(), named);
}

TEST_F(PointKey, finds_shipped_machines_by_name) {
  point_.machine = "v3_96";
  EXPECT_EQ(key().size(), 64U);
}

TEST_F(PointKey, names_what_cannot_be_read) {
  point_.settings.push_back({"dsp", "64"});
  EXPECT_EQ(error(), "dsp=64: expected one value for each parameter, found a second one");
  point_.settings.clear();
  std::filesystem::remove(path("weights.bin"));
  EXPECT_EQ(error(), path("weights.bin") + ": cannot read: No such file or directory");
  point_.network = path("none.onnx");
  EXPECT_EQ(error(), path("none.onnx") + ": cannot read: No such file or directory");
  point_.network = folder_.path().string();
  EXPECT_EQ(error(), folder_.path().string() + ": expected a file, found something else");
  point_.network = path("machine.yaml");
  EXPECT_EQ(error(), path("machine.yaml") +
                         ": expected an ONNX model, found 13 bytes that are none, or part of one");
}

TEST(PointNames, are_words) {
  EXPECT_EQ(to_string(Tier::Analytic), "analytic");
  EXPECT_EQ(to_string(PointResult::Status::Infeasible), "infeasible");
}

}  // namespace
}  // namespace workbench
