#pragma once

#include "kernels/simd.hpp"
#include "kernels/softmax/contract.hpp"

namespace pleat::kernels {
namespace {

inline constexpr SoftmaxKernels<float> kSoftmax = {};

}  // namespace
}  // namespace pleat::kernels
