#include "python/native.h"

namespace workbench::python {

namespace {

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

}  // namespace workbench::python
