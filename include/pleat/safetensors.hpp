#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "pleat/tensor.hpp"

namespace pleat {

/// A safetensors file: tensors by name, and text by key.
struct SafeTensors {
  StateDict tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads F32, F64, I64 and I32 tensors. Error names the file and what is wrong with it: truncated,
/// overlapping or out-of-range offsets, an unknown type. Never allocates more than the file's size justifies.
SafeTensors read_safetensors(const std::filesystem::path& file);
/// Writes the file whole or not at all (temporary file, then rename).
void write_safetensors(const std::filesystem::path& file, const SafeTensors& content);

}  // namespace pleat
