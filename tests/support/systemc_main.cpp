// libsystemc owns main() and calls sc_main: here it runs the tests.
#include <gtest/gtest.h>

#include <systemc>

int sc_main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

// LeakSanitizer asks for this. A simulation context that is deleted leaves tables of its own
// behind, some kilobytes each time; what we leak ourselves is still found.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:sc_core::sc_simcontext::init\n";
}
