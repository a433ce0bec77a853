#pragma once

#include <filesystem>

#include "pleat/tensor.hpp"

namespace pleat {

/// Reads a NumPy array file (format 1.0 to 3.0, C order; f4, f8, i8, i4 and b1, little-endian). Error names
/// the file and the fault.
Tensor read_npy(const std::filesystem::path& file);
/// Writes the file whole or not at all (temporary file, then rename).
void write_npy(const std::filesystem::path& file, const Tensor& tensor);

}  // namespace pleat
