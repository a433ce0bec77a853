// The scalar tables: what every instruction set is tested against, and the arithmetic of double-precision
// runs.

#include "kernels/batch_norm/reference.hpp"
#include "kernels/channels_last/reference.hpp"
#include "kernels/conv/reference.hpp"
#include "kernels/elementwise/reference.hpp"
#include "kernels/gemm/reference.hpp"
#include "kernels/kernel_table.hpp"
#include "kernels/pool/reference.hpp"
#include "kernels/softmax/reference.hpp"
#include "kernels/update/reference.hpp"

namespace pleat::kernels {
namespace {

template <class T>
constexpr KernelTable<T> kReference = {
    "reference",
    reference::kGemm<T>,
    reference::kConv<T>,
    reference::kChannelsLast<T>,
    reference::kBatchNorm<T>,
    reference::kElementwise<T>,
    reference::kPool<T>,
    reference::kSoftmax<T>,
    reference::kUpdate<T>,
};

}  // namespace

template <>
const KernelTable<float>& reference_table<float>() {
  return kReference<float>;
}
template <>
const KernelTable<double>& reference_table<double>() {
  return kReference<double>;
}

}  // namespace pleat::kernels
