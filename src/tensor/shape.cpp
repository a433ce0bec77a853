#include "pleat/shape.hpp"

#include "base/format.hpp"

namespace pleat {
namespace {

// Beyond any memory; the bytes of as many elements, and the products of m n and n k and k m, fit 64 bits.
constexpr int64_t kMost = int64_t{1} << 41;

}  // namespace

int64_t Shape::product(int begin, int end) const {
  int64_t result = 1;
  for (int i = begin; i < end; ++i) {
    if ((*this)[i] == kDynamic) return kDynamic;
    if ((*this)[i] != 0 && result > kMost / (*this)[i]) fail("shape ", str(), ": too many elements to count");
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
