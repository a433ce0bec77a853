#pragma once

#include "kernels/pool/contract.hpp"
#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

inline constexpr PoolKernels<float> kPool = {};

}  // namespace
}  // namespace pleat::kernels
