#include "pleat/npy.hpp"

#include <bit>
#include <charconv>
#include <optional>

#include "base/atomic_file.hpp"
#include "formats/input_file.hpp"

// The file: "\x93NUMPY", version, the header's length, the header (a Python dict of 'descr', 'fortran_order'
// and 'shape'), and the data. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

namespace pleat {
namespace {

using formats::InputFile;

static_assert(std::endian::native == std::endian::little, "NPY data is written as it lies in memory");

constexpr std::string_view kMagic = "\x93NUMPY";

struct Header {
  DType dtype = DType::f32;
  std::vector<uint64_t> dims;
};

/// The header's dict, as NumPy writes it.
class HeaderParser {
 public:
  HeaderParser(const InputFile& file, std::string_view text) : file_(file), rest_(text) {}

  Header parse() {
    std::optional<DType> dtype;
    std::optional<bool> fortran;
    std::optional<std::vector<uint64_t>> dims;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !dtype) {
        dtype = parse_dtype();
      } else if (key == "fortran_order" && !fortran) {
        fortran = parse_bool();
      } else if (key == "shape" && !dims) {
        dims = parse_dims();
      } else {
        fail("an unknown or repeated key '", key, "'");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!rest_.empty()) fail("text after the dict");
    if (!dtype || !fortran || !dims) fail("'descr', 'fortran_order' or 'shape' is missing");
    if (*fortran) {
      file_.fail("the array is in Fortran order; save numpy.ascontiguousarray(x) instead");
    }
    return {*dtype, *std::move(dims)};
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(const Args&... args) const {
    file_.fail("bad header: ", args...);
  }

  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size())); }
  bool accept(char wanted) {
    skip_space();
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) fail("'", wanted, "' expected", rest_.empty() ? " at its end" : " before ", near());
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::string_view near() const { return rest_.substr(0, 20); }

  std::string_view quoted() {
    skip_space();
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) fail("a quoted text expected");
    const size_t end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) fail("a quote is not closed");
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  DType parse_dtype() {
    skip_space();
    if (rest_.starts_with('[')) file_.fail("structured arrays are not supported");
    const std::string_view descr = quoted();
    if (descr == "<f4") return DType::f32;
    if (descr == "<f8") return DType::f64;
    if (descr == "<i8") return DType::i64;
    if (descr == "<i4") return DType::i32;
    if (descr == "|b1") return DType::boolean;
    if (descr.starts_with('>')) {
      file_.fail("big-endian data ('", descr, "') is not supported; save x.astype('<", descr.substr(1), "')");
    }
    file_.fail("type '", descr.substr(0, 20),
               "' is not supported ('<f4', '<f8', '<i8', '<i4' and '|b1' are)");
  }

  bool parse_bool() {
    if (accept_word("True")) return true;
    if (accept_word("False")) return false;
    fail("'fortran_order' must be True or False");
  }

  std::vector<uint64_t> parse_dims() {
    std::vector<uint64_t> dims;
    expect('(');
    while (!accept(')')) {
      skip_space();
      uint64_t dim = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), dim);
      if (error == std::errc::result_out_of_range) fail("a dimension is too large: ", near());
      if (error != std::errc()) fail("a dimension must be a whole number from 0, not ", near());
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      if (dims.size() >= formats::kMaxRank) fail("more than ", formats::kMaxRank, " dimensions");
      dims.push_back(dim);
      if (accept(')')) {
        if (dims.size() == 1) fail("'shape' must be a tuple: a comma after a single dimension");
        break;
      }
      expect(',');
    }
    return dims;
  }

  const InputFile& file_;
  std::string_view rest_;
};

/// The header's text: its length is 2 bytes in version 1, 4 in versions 2 and 3.
std::string read_header_text(InputFile& file) {
  if (file.size() < kMagic.size() + 2 || file.read_text(kMagic.size()) != kMagic) {
    file.fail("not a NumPy array file");
  }
  uint8_t version[2];
  file.read(version, sizeof(version));
  if (version[0] < 1 || version[0] > 3 || version[1] != 0) {
    file.fail("version ", int{version[0]}, ".", int{version[1]}, " of the format is not supported");
  }
  uint32_t length = 0;
  file.read(&length, version[0] == 1 ? 2 : 4);
  if (length > file.remaining()) {
    file.fail("truncated: a header of ", length, " bytes, but ", file.remaining(), " follow");
  }
  return file.read_text(length);
}

std::string_view descr_of(DType dtype) {
  constexpr std::string_view names[] = {"<f4", "<f8", "<i8", "<i4", "|b1"};
  return names[static_cast<size_t>(dtype)];
}

/// Magic, version 1.0, length and header; padded so that the data begins 64-byte aligned, as NumPy does.
std::string header_text(const Tensor& tensor) {
  std::string dims;
  for (const int64_t dim : tensor.shape()) dims += concat(dims.empty() ? "" : ", ", dim);
  if (tensor.shape().rank() == 1) dims += ",";
  std::string text =
      concat("{'descr': '", descr_of(tensor.dtype()), "', 'fortran_order': False, 'shape': (", dims, "), }");
  const size_t before = kMagic.size() + 4;
  text.resize((before + text.size() + 1 + 63) / 64 * 64 - before - 1, ' ');
  text += '\n';
  const auto length = static_cast<uint16_t>(text.size());
  std::string head(kMagic);
  head += {'\1', '\0', static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  return head + text;
}

}  // namespace

Tensor read_npy(const std::filesystem::path& path) {
  InputFile file(path);
  const std::string text = read_header_text(file);
  const Header header = HeaderParser(file, text).parse();
  const uint64_t needed = formats::checked_bytes(path.string(), header.dims, header.dtype);
  const Shape shape = formats::to_shape(header.dims);
  if (needed != file.remaining()) {
    file.fail(needed > file.remaining() ? "truncated: " : "too long: ", name_of(header.dtype), " of shape ",
              shape.str(), " needs ", needed, " bytes of data, the file has ", file.remaining());
  }
  Tensor tensor(shape, header.dtype);
  file.read(tensor.raw(), tensor.bytes());
  formats::check_booleans(path.string(), tensor);
  return tensor;
}

void write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  if (!tensor.defined()) fail(path.string(), ": cannot write a tensor without a shape");
  if (tensor.shape().rank() > static_cast<int>(formats::kMaxRank)) {
    fail(path.string(), ": cannot write ", tensor.shape().rank(), " dimensions, at most ", formats::kMaxRank);
  }
  AtomicFile file(path);
  file.write(header_text(tensor));
  file.write(tensor.raw(), tensor.bytes());
  file.commit();
}

}  // namespace pleat
