#pragma once

#include <cstdint>

#include "pleat/tensor.hpp"

namespace pleat {

/// Calls body with a null pointer to the element's type: U* in `[&]<class U>(U*) { ... }`.
template <class Body>
void with_type(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::f32:
      return body(static_cast<float*>(nullptr));
    case DType::f64:
      return body(static_cast<double*>(nullptr));
    case DType::i64:
      return body(static_cast<int64_t*>(nullptr));
    case DType::i32:
      return body(static_cast<int32_t*>(nullptr));
    case DType::boolean:
      return body(static_cast<bool*>(nullptr));
  }
}

}  // namespace pleat
