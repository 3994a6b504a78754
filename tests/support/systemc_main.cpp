// libsystemc owns main() and calls sc_main: here it runs the tests.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <systemc>
#include <vector>

namespace {

std::vector<std::string> tests_of_shard(int shards, int index) {
  std::vector<std::string> names;
  const ::testing::UnitTest& all = *::testing::UnitTest::GetInstance();
  int next = 0;
  for (int s = 0; s < all.total_test_suite_count(); ++s) {
    const ::testing::TestSuite& suite = *all.GetTestSuite(s);
    for (int t = 0; t < suite.total_test_count(); ++t) {
      const std::string name = suite.GetTestInfo(t)->name();
      if (next++ % shards == index) names.push_back(std::string(suite.name()) + "." + name);
    }
  }
  return names;
}

// A test that is not run, because it is switched off or not called so, has not passed.
int run_one(const std::string& name) {
  unsetenv("GTEST_TOTAL_SHARDS");
  unsetenv("GTEST_SHARD_INDEX");
  GTEST_FLAG_SET(filter, name);
  const int result = RUN_ALL_TESTS();
  return ::testing::UnitTest::GetInstance()->test_to_run_count() == 1 ? result : 1;
}

bool ended_well(pid_t process) {
  int status = 0;
  return process > 0 && waitpid(process, &status, 0) == process && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

int number_of(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? 0 : std::atoi(text);
}

}  // namespace

// A shard runs its tests one by one, each in a process of its own: what SystemC's threads leave on
// their stacks, AddressSanitizer would find in the next test, and under it a process takes a third
// of a second to start.
int sc_main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const int shards = number_of("GTEST_TOTAL_SHARDS");
  if (shards <= 1) return RUN_ALL_TESTS();
  std::vector<std::string> failed;
  for (const std::string& name : tests_of_shard(shards, number_of("GTEST_SHARD_INDEX"))) {
    std::fflush(nullptr);
    const pid_t process = fork();
    // Its end is that of sc_main: what is held on the way there would be leaks.
    if (process == 0) return run_one(name);
    if (!ended_well(process)) failed.push_back(name);
  }
  for (const std::string& name : failed) std::printf("failed: %s\n", name.c_str());
  return failed.empty() ? 0 : 1;
}

// LeakSanitizer asks for this. A simulation context that is deleted leaves tables of its own
// behind, some kilobytes each time; what we leak ourselves is still found.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:sc_core::sc_simcontext::init\n";
}
