#include "formats/onnx/external_data.hpp"

#include <mutex>

#include "base/format.hpp"

namespace pleat::formats {
namespace {

using onnx::TensorProto;

// Files that stay open: a process may have some hundreds more at the least.
constexpr size_t kMostOpen = 64;

uint64_t number(const std::string& text, const std::string& key, const std::string& where) {
  uint64_t value = 0;
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos) {
    fail(where, ": external data's ", key, " is '", text, "', not a number");
  }
  for (const char digit : text) value = value * 10 + static_cast<uint64_t>(digit - '0');
  return value;
}

}  // namespace

class ExternalData::File {
 public:
  explicit File(const std::filesystem::path& name) : file_(name) {}

  InputFile& file() { return file_; }

  // From any thread.
  void read(const ByteRange& bytes, void* target) {
    const std::lock_guard lock(mutex_);
    file_.seek(bytes.offset);
    file_.read(target, bytes.length);
  }

 private:
  std::mutex mutex_;
  InputFile file_;
};

// "location" is a path below the model's folder; "offset" and "length" are bytes.
Tensor ExternalData::tensor(const TensorProto& message, const Shape& shape, DType dtype,
                            const std::string& where) {
  const uint64_t wanted = static_cast<uint64_t>(shape.numel()) * size_of(dtype);
  std::filesystem::path location;
  ByteRange bytes{0, wanted};
  for (const auto& entry : message.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") bytes.offset = number(entry.value(), "offset", where);
    if (entry.key() == "length") bytes.length = number(entry.value(), "length", where);
  }
  const std::filesystem::path normal = location.lexically_normal();
  if (location.empty() || normal.is_absolute() || *normal.begin() == "..") {
    fail(where, ": external data's location '", location.string(), "' is not below the model's folder");
  }
  const std::shared_ptr<File> data = file(normal);
  if (bytes.length != wanted) {
    fail(where, ": ", bytes.length, " bytes for a tensor of shape ", shape.str(), ", which needs ", wanted);
  }
  const uint64_t size = data->file().size();
  if (bytes.offset > size || size - bytes.offset < wanted) {
    data->file().fail("holds no ", wanted, " bytes from ", bytes.offset, " on, as ", where, " needs (file ",
                      size, ")");
  }
  if (dtype == DType::f32 && files_.count(normal) > 0) {
    return Tensor::deferred(shape, dtype, [data, bytes](void* elements) { data->read(bytes, elements); });
  }
  Tensor tensor(shape, dtype);
  data->read(bytes, tensor.raw());
  return tensor;
}

InputFile& ExternalData::open(const std::string& name) {
  return file(std::filesystem::path(name).lexically_normal())->file();
}

std::shared_ptr<ExternalData::File> ExternalData::file(const std::filesystem::path& name) {
  const auto found = files_.find(name);
  if (found != files_.end()) return found->second;
  auto opened = std::make_shared<File>(folder_ / name);
  if (files_.size() < kMostOpen) files_.emplace(name, opened);
  return opened;
}

void set_external(TensorProto& message, const std::string& location, const ByteRange& bytes) {
  message.set_data_location(TensorProto::EXTERNAL);
  const auto add = [&](const char* key, const std::string& value) {
    auto& entry = *message.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  };
  add("location", location);
  add("offset", std::to_string(bytes.offset));
  add("length", std::to_string(bytes.length));
}

}  // namespace pleat::formats
