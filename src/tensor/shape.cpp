#include "pleat/shape.hpp"

namespace pleat {

int64_t Shape::product(int begin, int end) const {
  int64_t result = 1;
  for (int i = begin; i < end; ++i) {
    if ((*this)[i] == kDynamic) return kDynamic;
    result *= (*this)[i];
  }
  return result;
}

std::string Shape::str() const {
  std::string text = "(";
  for (int i = 0; i < rank(); ++i) {
    if (i > 0) text += ", ";
    text += (*this)[i] == kDynamic ? "N" : std::to_string((*this)[i]);
  }
  return text + (rank() == 1 ? ",)" : ")");
}

}  // namespace pleat
