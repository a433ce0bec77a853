#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "formats/input_file.hpp"
#include "onnx.pb.h"
#include "pleat/tensor.hpp"

namespace pleat::formats {

/// Bytes of a file.
struct ByteRange {
  uint64_t offset, length;
};

/// Says that a tensor's data are those bytes of a file in the model's folder.
void set_external(onnx::TensorProto& message, const std::string& location, const ByteRange& bytes);

/// A model's folder, with the files that hold its data. Each is opened once, and stays open as long as a
/// tensor may still be read from it: it may be replaced or removed meanwhile, but not changed.
class ExternalData {
 public:
  explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// The model's own file, to be read before any tensor.
  InputFile& open(const std::string& name);

  /// The tensor of a message, whose data are outside it. Floats are deferred (Tensor::deferred), but for
  /// those of the last of very many files. Error, with `where` before it, where the file is not below the
  /// folder, is missing, or does not hold them.
  Tensor tensor(const onnx::TensorProto& message, const Shape& shape, DType dtype, const std::string& where);

 private:
  class File;

  /// Opened at the first call; kept, but for the last of very many.
  std::shared_ptr<File> file(const std::filesystem::path& name);

  std::filesystem::path folder_;
  std::map<std::filesystem::path, std::shared_ptr<File>> files_;
};

}  // namespace pleat::formats
