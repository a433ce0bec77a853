#include "formats/onnx/message_file.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <optional>

#include "formats/input_file.hpp"

namespace pleat::formats {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::StringOutputStream;

// Protobuf's own limit.
constexpr uint64_t kMostBytes = (uint64_t{1} << 31) - 1;
constexpr int kPiece = 1 << 14;
// Data of fewer bytes are read with the message.
constexpr int kLarge = 1 << 12;

// A file as protobuf reads it.
class FileStream : public google::protobuf::io::CopyingInputStream {
 public:
  explicit FileStream(InputFile& file) : file_(file) {}
  int Read(void* buffer, int size) override {
    const uint64_t count = std::min(static_cast<uint64_t>(size), file_.remaining());
    file_.read(buffer, count);
    return static_cast<int>(count);
  }
  int Skip(int count) override {
    const uint64_t skipped = std::min(static_cast<uint64_t>(count), file_.remaining());
    file_.skip(skipped);
    return static_cast<int>(skipped);
  }

 private:
  InputFile& file_;
};

constexpr uint32_t bytes_tag(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

// Adds the next field to the message, as the message itself reads it.
template <class Message>
bool merge_field(CodedInputStream& in, uint32_t tag, Message& message) {
  std::string field;
  {
    StringOutputStream stream(&field);
    CodedOutputStream out(&stream);
    if (!WireFormatLite::SkipField(&in, tag, &out)) return false;
  }
  return message.MergeFromString(field);
}

// Reads a message up to its end: `take(length)` the fields of that tag.
template <class Message, class Take>
bool merge_fields(CodedInputStream& in, Message& message, uint32_t tag, const Take& take) {
  while (const uint32_t found = in.ReadTag()) {
    uint32_t length = 0;
    const bool read = found == tag ? in.ReadVarint32(&length) && take(static_cast<int>(length))
                                   : merge_field(in, found, message);
    if (!read) return false;
  }
  return in.ConsumedEntireMessage();
}

// Reads what lies in the next `length` bytes, and nothing but these.
template <class Merge>
bool merge_nested(CodedInputStream& in, int length, const Merge& merge) {
  if (length < 0 || length > in.BytesUntilLimit()) return false;
  const CodedInputStream::Limit outer = in.PushLimit(length);
  const bool merged = merge() && in.BytesUntilLimit() == 0;
  in.PopLimit(outer);
  return merged;
}

bool merge_tensor(CodedInputStream& in, onnx::TensorProto& message, const std::string& file) {
  std::optional<ByteRange> left;
  const auto take = [&](int length) {
    left.reset();
    if (length >= 0 && length < kLarge) return in.ReadString(message.mutable_raw_data(), length);
    message.clear_raw_data();
    left = {static_cast<uint64_t>(in.CurrentPosition()), static_cast<uint64_t>(length)};
    return in.Skip(length);
  };
  if (!merge_fields(in, message, bytes_tag(onnx::TensorProto::kRawDataFieldNumber), take)) return false;
  if (left && message.data_location() != onnx::TensorProto::EXTERNAL) set_external(message, file, *left);
  return true;
}

bool merge_graph(CodedInputStream& in, onnx::GraphProto& message, const std::string& file) {
  return merge_fields(in, message, bytes_tag(onnx::GraphProto::kInitializerFieldNumber), [&](int length) {
    return merge_nested(in, length, [&] { return merge_tensor(in, *message.add_initializer(), file); });
  });
}

bool merge_model(CodedInputStream& in, onnx::ModelProto& message, const std::string& file) {
  return merge_fields(in, message, bytes_tag(onnx::ModelProto::kGraphFieldNumber), [&](int length) {
    return merge_nested(in, length, [&] { return merge_graph(in, *message.mutable_graph(), file); });
  });
}

template <class Message, class Merge>
Message read_message(InputFile& in, const char* what, const Merge& merge) {
  if (in.size() > kMostBytes) {
    in.fail(in.size(), " bytes; protobuf allows 2 GB: larger models keep their weights in files beside them");
  }
  Message message;
  FileStream pieces(in);
  google::protobuf::io::CopyingInputStreamAdaptor stream(&pieces, kPiece);
  CodedInputStream coded(&stream);
  coded.PushLimit(static_cast<int>(in.size()));  // no length that is larger is believed
  if (!merge(coded, message)) in.fail("is not ", what, " (truncated or damaged)");
  return message;
}

}  // namespace

onnx::ModelProto read_model_message(ExternalData& folder, const std::string& file) {
  return read_message<onnx::ModelProto>(
      folder.open(file), "an ONNX model",
      [&](CodedInputStream& in, auto& message) { return merge_model(in, message, file); });
}

onnx::TensorProto read_tensor_message(ExternalData& folder, const std::string& file) {
  return read_message<onnx::TensorProto>(
      folder.open(file), "an ONNX tensor", [](CodedInputStream& in, auto& message) {
        return message.ParseFromCodedStream(&in) && in.ConsumedEntireMessage();
      });
}

}  // namespace pleat::formats
