#include "pleat/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/atomic_file.hpp"
#include "formats/input_file.hpp"

// The file: the header's length (8 bytes, little-endian), the header (JSON: name -> type, shape and data
// offsets), and the data, which the tensors cover without gap or overlap.
// https://github.com/huggingface/safetensors#format

namespace pleat {
namespace {

using formats::InputFile;
using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

constexpr uint64_t kMaxHeader = 100'000'000;  // as in the format's own library
constexpr const char* kMetadata = "__metadata__";

struct Entry {
  std::string name;
  DType dtype;
  std::vector<uint64_t> dims;
  uint64_t begin, end;
};

/// Refuses what the JSON library would accept: a name given twice, and nesting without end.
class HeaderCheck {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    constexpr int deepest = 2;  // {name: {"shape": [
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth > deepest) fail("nested too deeply");
    if (event == Json::parse_event_t::object_start) names_[depth].clear();
    if (event == Json::parse_event_t::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (!names_[depth - 1].insert(name).second) fail("the name '", name, "' appears twice");
    }
    return true;
  }

 private:
  std::set<std::string> names_[3];
};

/// Enough of a name from a file to be found again.
std::string shown(const std::string& name) {
  constexpr size_t enough = 200;
  return name.size() <= enough ? name : name.substr(0, enough) + "...";
}

Json parse_header(const InputFile& file, const std::string& text) {
  try {
    HeaderCheck check;
    Json header = Json::parse(text, [&](int depth, Json::parse_event_t event, Json& parsed) {
      return check(depth, event, parsed);
    });
    if (!header.is_object()) fail("not an object");
    return header;
  } catch (const std::exception& error) {
    file.fail("bad header: ", shown(error.what()));  // it quotes the text, which can be long
  }
}

DType dtype_from(const std::string& where, const std::string& name) {
  if (name == "F32") return DType::f32;
  if (name == "F64") return DType::f64;
  if (name == "I64") return DType::i64;
  if (name == "I32") return DType::i32;
  fail(where, ": type ", shown(name), " is not supported (F32, F64, I64 and I32 are)");
}

const char* type_name(DType dtype) {
  constexpr const char* names[] = {"F32", "F64", "I64", "I32", "BOOL"};
  return names[static_cast<size_t>(dtype)];
}

std::vector<uint64_t> numbers(const std::string& where, const Json& tensor, const char* key) {
  const auto it = tensor.find(key);
  const auto is_number = [](const Json& value) { return value.is_number_unsigned(); };
  if (it == tensor.end() || !it->is_array() || !std::all_of(it->begin(), it->end(), is_number)) {
    fail(where, ": '", key, "' must be a list of whole numbers from 0");
  }
  return it->get<std::vector<uint64_t>>();
}

Entry parse_entry(const std::string& file, const std::string& name, const Json& tensor, uint64_t data_size) {
  const std::string where = concat(file, ": tensor '", shown(name), "'");
  if (!tensor.is_object()) fail(where, ": its description is not an object");
  const auto dtype = tensor.find("dtype");
  if (dtype == tensor.end() || !dtype->is_string()) fail(where, ": 'dtype' must be a string");
  const auto offsets = numbers(where, tensor, "data_offsets");
  if (offsets.size() != 2) fail(where, ": 'data_offsets' must be two numbers");
  Entry entry{name, dtype_from(where, dtype->get_ref<const std::string&>()), numbers(where, tensor, "shape"),
              offsets[0], offsets[1]};
  if (entry.begin > entry.end || entry.end > data_size) {
    fail(where, ": data from ", entry.begin, " to ", entry.end, ", but the file has ", data_size,
         " bytes of data");
  }
  const uint64_t needed = formats::checked_bytes(where, entry.dims, entry.dtype);
  if (needed != entry.end - entry.begin) {
    fail(where, ": ", type_name(entry.dtype), " of shape ", formats::to_shape(entry.dims).str(), " needs ",
         needed, " bytes, its offsets span ", entry.end - entry.begin);
  }
  return entry;
}

std::map<std::string, std::string> parse_metadata(const InputFile& file, const Json& header) {
  const auto it = header.find(kMetadata);
  if (it == header.end()) return {};
  const auto is_text = [](const Json& value) { return value.is_string(); };
  if (!it->is_object() || !std::all_of(it->begin(), it->end(), is_text)) {
    file.fail("'", kMetadata, "' must be an object of strings");
  }
  return it->get<std::map<std::string, std::string>>();
}

/// Sorts by offset; the tensors must follow each other from the first byte to the last.
void check_coverage(const InputFile& file, std::vector<Entry>& entries, uint64_t data_size) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position) {
      file.fail("tensor '", shown(entry.name), "': its data ",
                entry.begin < position ? "overlaps another's" : "leaves a gap", ": it begins at ",
                entry.begin, ", the data before it ends at ", position);
    }
    position = entry.end;
  }
  if (position != data_size) {
    file.fail("the tensors end at ", position, ", but the file has ", data_size, " bytes of data");
  }
}

/// The header with its length before it, padded with spaces so that the data begins 8-byte aligned.
std::string header_text(const std::filesystem::path& file, const StateDict& tensors,
                        const std::map<std::string, std::string>& metadata) {
  auto header = nlohmann::ordered_json::object();
  std::string text;
  if (!metadata.empty()) header[kMetadata] = metadata;
  uint64_t position = 0;
  for (const auto& [name, tensor] : tensors) {
    const uint64_t end = position + tensor.bytes();
    header.push_back({name, nlohmann::ordered_json{{"dtype", type_name(tensor.dtype())},
                                                   {"shape", tensor.shape().dims()},
                                                   {"data_offsets", {position, end}}}});
    position = end;
  }
  try {
    text = header.dump();
  } catch (const Json::exception& error) {
    fail(file.string(), ": cannot write: ", error.what());
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kMaxHeader) {
    fail(file.string(), ": cannot write: a header of ", text.size(), " bytes, at most ", kMaxHeader);
  }
  const uint64_t length = text.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + text;
}

void check_writable(const std::filesystem::path& file, const StateDict& tensors) {
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : tensors) {
    const auto where = [&, &name = name] {
      return concat(file.string(), ": cannot write tensor '", name, "': ");
    };
    if (!tensor.defined()) fail(where(), "it has no shape yet");
    if (name == kMetadata) fail(where(), "the name is the format's own");
    if (!names.insert(name).second) fail(where(), "the name appears twice");
  }
}

}  // namespace

SafeTensors read_safetensors(const std::filesystem::path& path) {
  InputFile file(path);
  uint64_t header_size = 0;
  file.read(&header_size, sizeof(header_size));
  if (header_size > file.remaining()) {
    file.fail("a header of ", header_size, " bytes, but ", file.remaining(), " follow: truncated, or not a ",
              "safetensors file");
  }
  if (header_size > kMaxHeader) file.fail("a header of ", header_size, " bytes, at most ", kMaxHeader);
  const Json header = parse_header(file, file.read_text(header_size));
  const uint64_t data_size = file.remaining();

  std::vector<Entry> entries;
  for (const auto& [name, tensor] : header.items()) {
    if (name != kMetadata) entries.push_back(parse_entry(path.string(), name, tensor, data_size));
  }
  check_coverage(file, entries, data_size);

  SafeTensors content;
  content.metadata = parse_metadata(file, header);
  content.tensors.reserve(entries.size());
  for (const Entry& entry : entries) {
    Tensor tensor(formats::to_shape(entry.dims), entry.dtype);
    file.read(tensor.raw(), tensor.bytes());
    content.tensors.emplace_back(entry.name, std::move(tensor));
  }
  return content;
}

void write_safetensors(const std::filesystem::path& path, const SafeTensors& content) {
  check_writable(path, content.tensors);
  StateDict tensors = content.tensors;
  // Wide types first, so that every tensor is aligned to its type: PyTorch cannot view it otherwise.
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return size_of(a.second.dtype()) > size_of(b.second.dtype());
  });
  AtomicFile file(path);
  file.write(header_text(path, tensors, content.metadata));
  for (const auto& [name, tensor] : std::as_const(tensors)) file.write(tensor.raw(), tensor.bytes());
  file.commit();
}

}  // namespace pleat
