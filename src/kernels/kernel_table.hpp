#pragma once

#include "kernels/batch_norm/contract.hpp"
#include "kernels/channels_last/contract.hpp"
#include "kernels/conv/contract.hpp"
#include "kernels/elementwise/contract.hpp"
#include "kernels/gemm/contract.hpp"
#include "kernels/pool/contract.hpp"
#include "kernels/softmax/contract.hpp"
#include "kernels/update/contract.hpp"

namespace pleat::kernels {

/// Every kernel of one instruction set. T is float; the plain C++ reference exists for double too. Kernels
/// know pointers and sizes: no tensors, no threads. Unless a contract says otherwise, pointers need no
/// alignment beyond T's, outputs do not overlap inputs, and the kernel itself owns the tail: any size from 0
/// up is fine, and nothing past it is read or written.
template <class T>
struct KernelTable {
  const char* isa;
  GemmKernels<T> gemm;
  ConvKernels<T> conv;
  ChannelsLastKernels<T> channels_last;
  BatchNormKernels<T> batch_norm;
  ElementwiseKernels<T> elementwise;
  PoolKernels<T> pool;
  SoftmaxKernels<T> softmax;
  UpdateKernels<T> update;
};

/// The active instruction set's table for float, the reference for double.
template <class T>
const KernelTable<T>& active_table();
template <>
const KernelTable<float>& active_table<float>();
template <>
const KernelTable<double>& active_table<double>();

/// The table of one of available_isas(). Throws Error for another name.
const KernelTable<float>& table_for(const char* isa);

/// The plain C++ table.
template <class T>
const KernelTable<T>& reference_table();

}  // namespace pleat::kernels
