#include <filesystem>

#include "core/error.h"
#include "python/native.h"

namespace workbench::python {

namespace {

std::recursive_mutex& computing() {
  static std::recursive_mutex mutex;
  return mutex;
}

py::dtype dtype_of(ElementType type) {
  switch (type) {
    case ElementType::Float32:
      return py::dtype::of<float>();
    case ElementType::Float64:
      return py::dtype::of<double>();
    case ElementType::Int8:
      return py::dtype::of<std::int8_t>();
    case ElementType::Uint8:
      return py::dtype::of<std::uint8_t>();
    case ElementType::Int16:
      return py::dtype::of<std::int16_t>();
    case ElementType::Uint16:
      return py::dtype::of<std::uint16_t>();
    case ElementType::Int32:
      return py::dtype::of<std::int32_t>();
    case ElementType::Uint32:
      return py::dtype::of<std::uint32_t>();
    case ElementType::Int64:
      return py::dtype::of<std::int64_t>();
    case ElementType::Uint64:
      return py::dtype::of<std::uint64_t>();
    case ElementType::Bool:
      return py::dtype::of<bool>();
  }
  CHECK(false, "element type {}", static_cast<int>(type));
}

}  // namespace

py::array as_array(const Tensor& tensor) {
  auto* const owner = new Tensor(tensor);  // the capsule deletes it
  const py::capsule base(owner, [](void* pointer) { delete static_cast<Tensor*>(pointer); });
  py::array array(dtype_of(tensor.type()), owner->shape(), owner->data(), base);
  array.attr("setflags")(py::arg("write") = false);
  return array;
}

py::dict as_arrays(const std::map<std::string, Tensor>& tensors) {
  py::dict arrays;
  for (const auto& [name, tensor] : tensors) arrays[py::str(name)] = as_array(tensor);
  return arrays;
}

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

// libsystemc has a main() that calls this one, and is not loaded without it; neither is called.
extern "C" __attribute__((visibility("default"))) int sc_main(int, char**) { return 0; }
