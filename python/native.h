// The compiled part of the Python package. Structured values cross as JSON, tensors as NumPy
// arrays; the package's Python files wrap them in classes. Long calls run without the interpreter's
// lock, one after the other.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.h"

namespace workbench::python {

namespace py = pybind11;

using Settings = std::vector<std::pair<std::string, std::string>>;

// Shares the tensor's bytes; read-only, because a tensor's bytes may be shared with others.
py::array as_array(const Tensor& tensor);
py::dict as_arrays(const std::map<std::string, Tensor>& tensors);

// Guards calls that compute, taken without the interpreter's lock. SystemC has one kernel in a
// process, and a sweep forks: no other thread may be inside the workbench then. A sweep's progress
// callback may call it again.
class OneAtATime {
 public:
  OneAtATime();

 private:
  std::lock_guard<std::recursive_mutex> lock_;
};
using Computes = py::call_guard<py::gil_scoped_release, OneAtATime>;

void add_compiled(py::module_& module);
void add_points(py::module_& module);

}  // namespace workbench::python
