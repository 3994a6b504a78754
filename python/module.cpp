#include <filesystem>

#include "core/error.h"
#include "python/native.h"

namespace workbench::python {

namespace {

std::recursive_mutex& computing() {
  static std::recursive_mutex mutex;
  return mutex;
}

}  // namespace

OneAtATime::OneAtATime() : lock_(computing()) {}

}  // namespace workbench::python

PYBIND11_MODULE(_native, module) {
  namespace py = pybind11;
  // A ValueError, as Python has for arguments that do not make sense; one line.
  static const py::exception<workbench::Error> error(module, "Error", PyExc_ValueError);
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const workbench::Error& refused) {
      PyErr_SetString(error.ptr(), refused.what());
    } catch (const std::filesystem::filesystem_error& refused) {
      PyErr_SetString(error.ptr(), refused.what());
    }
  });
  workbench::python::add_compiled(module);
  workbench::python::add_points(module);
}

// libsystemc has a main() that calls this one, and is not loaded without it; nobody calls that.
extern "C" __attribute__((visibility("default"))) int sc_main(int, char**) { return 0; }
