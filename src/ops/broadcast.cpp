#include "ops/broadcast.hpp"

#include "base/format.hpp"

namespace pleat {
void check_rank(const Shape& shape, const char* op) {
  if (shape.rank() > kMaxRank) fail(op, ": goes up to rank ", kMaxRank, ", got ", shape.str());
}

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op) {
  const int rank = std::max(a.rank(), b.rank());
  Shape y;
  for (int i = 0; i < rank; ++i) {
    const int64_t m = aligned_size(a, i, rank), n = aligned_size(b, i, rank);
    if (m != n && m != 1 && n != 1 && m != kDynamic && n != kDynamic) {
      fail(op, ": cannot broadcast ", a.str(), " and ", b.str(), ": ", m, " and ", n,
           " differ and neither is 1");
    }
    y.push_back(m == 1 || (m == kDynamic && n != 1) ? n : m);
  }
  check_rank(y, op);
  return y;
}

bool surely_has_shape(const Shape& from, const Shape& other, const Shape& y) {
  if (from.rank() != y.rank()) return false;
  for (int i = 0; i < y.rank(); ++i) {
    if (from[i] != y[i] || (y[i] == kDynamic && aligned_size(other, i, y.rank()) != 1)) return false;
  }
  return true;
}

}  // namespace pleat
