#pragma once

#include "kernels/batch_norm/contract.hpp"
#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

inline constexpr BatchNormKernels<float> kBatchNorm = {};

}  // namespace
}  // namespace pleat::kernels
