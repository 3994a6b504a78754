// An array of zeros whose pages the system gives when they are first touched: for tables over a
// whole memory, of which a program uses a part.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

namespace workbench {

// `count` elements, all bits 0. Throws std::bad_alloc.
template <typename T>
class Zeroed {
  static_assert(std::is_arithmetic_v<T>);

 public:
  explicit Zeroed(std::size_t count)
      : elements_(static_cast<T*>(std::calloc(count > 0 ? count : 1, sizeof(T)))) {
    if (elements_ == nullptr) throw std::bad_alloc();
  }

  T* data() { return elements_.get(); }
  const T* data() const { return elements_.get(); }

 private:
  struct Free {
    void operator()(T* elements) const { std::free(elements); }
  };
  std::unique_ptr<T[], Free> elements_;
};

}  // namespace workbench
