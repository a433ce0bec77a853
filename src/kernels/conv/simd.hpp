#pragma once

#include "kernels/conv/contract.hpp"
#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

inline constexpr ConvKernels<float> kConv = {};

}  // namespace
}  // namespace pleat::kernels
