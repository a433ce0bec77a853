#include <zlib.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "formats/input_file.hpp"
#include "formats/pixels.hpp"
#include "pleat/data.hpp"

// The file: 0, 0, the type (8: unsigned bytes), the rank, the dimensions (4 bytes each, big-endian), and the
// bytes. https://yann.lecun.com/exdb/mnist

namespace pleat {
namespace {

/// An IDX file of bytes, plain or gzip.
class IdxFile {
 public:
  IdxFile(const std::filesystem::path& path, size_t rank) : name_(path.string()) {
    const uint64_t size = formats::InputFile(path).size();  // an Error where it is not a readable file
    file_.reset(gzopen(path.c_str(), "rb"));
    if (!file_) fail("cannot open");
    read_dims(rank);
    // Deflate packs no more than 1032 bytes into one; what a header asks for beyond that cannot follow.
    constexpr uint64_t most_per_byte = 1032;
    if (bytes_ > (gzdirect(file_.get()) ? size : size * most_per_byte)) {
      fail("truncated: ", bytes_, " bytes of data needed, the file has ", size, " in all");
    }
  }

  uint64_t dim(size_t i) const { return dims_[i]; }
  uint64_t bytes() const { return bytes_; }

  void read(uint8_t* target, size_t bytes) {
    constexpr size_t most = 1 << 20;  // gzread counts in int
    while (bytes > 0) {
      const int got = gzread(file_.get(), target, static_cast<unsigned>(std::min(bytes, most)));
      if (got < 0) fail("damaged: ", gz_error());
      if (got == 0) fail("truncated");
      target += got;
      bytes -= static_cast<size_t>(got);
    }
  }

  /// Nothing may follow; reading on also makes zlib compare the checksum.
  void check_end() {
    uint8_t byte;
    const int got = gzread(file_.get(), &byte, 1);
    if (got < 0) fail("damaged: ", gz_error());
    if (got > 0) fail("more data than its header says");
    int code = Z_OK;
    gzerror(file_.get(), &code);
    if (code == Z_BUF_ERROR) fail("truncated");
  }

  template <class... Args>
  [[noreturn]] void fail(const Args&... args) const {
    pleat::fail(name_, ": ", args...);
  }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose_r(file); }
  };

  std::string gz_error() const {
    int code = Z_OK;
    return gzerror(file_.get(), &code);
  }

  void read_dims(size_t rank) {
    constexpr uint8_t unsigned_bytes = 8;
    uint8_t magic[4];
    read(magic, sizeof(magic));
    if (magic[0] != 0 || magic[1] != 0) fail("not an IDX file");
    if (magic[2] != unsigned_bytes) fail("IDX type ", int{magic[2]}, ", unsigned bytes (8) are needed");
    if (magic[3] != rank) fail("IDX data of ", int{magic[3]}, " dimensions, ", rank, " are needed");
    for (size_t i = 0; i < rank; ++i) {
      uint8_t digits[4];
      read(digits, sizeof(digits));
      uint64_t dim = 0;
      for (const uint8_t digit : digits) dim = dim << 8 | digit;
      if (dim == 0) fail("no items: dimension ", i, " is 0");
      dims_.push_back(dim);
    }
    bytes_ = formats::checked_bytes(name_, dims_, DType::i64) / size_of(DType::i64);
  }

  std::string name_;
  std::unique_ptr<gzFile_s, Close> file_;
  std::vector<uint64_t> dims_;
  uint64_t bytes_ = 0;
};

}  // namespace

Dataset read_idx(const std::filesystem::path& images, const std::filesystem::path& labels) {
  IdxFile image_file(images, 3), label_file(labels, 1);
  if (image_file.dim(0) != label_file.dim(0)) {
    label_file.fail(label_file.dim(0), " labels, but ", images.string(), " has ", image_file.dim(0),
                    " images");
  }
  const auto dim = [&](size_t i) { return static_cast<int64_t>(image_file.dim(i)); };
  Dataset data;
  data.inputs = Tensor({dim(0), 1, dim(1), dim(2)});
  data.labels = Tensor({dim(0)}, DType::i64);

  std::vector<uint8_t> bytes(std::min<uint64_t>(image_file.bytes(), 1 << 18));
  auto* values = data.inputs.data<float>();
  for (uint64_t left = image_file.bytes(); left > 0;) {
    const size_t part = std::min<uint64_t>(left, bytes.size());
    image_file.read(bytes.data(), part);
    formats::scale_pixels(bytes.data(), part, values);
    values += part;
    left -= part;
  }
  image_file.check_end();

  bytes.resize(label_file.bytes());
  label_file.read(bytes.data(), bytes.size());
  label_file.check_end();
  std::copy(bytes.begin(), bytes.end(), data.labels.data<int64_t>());
  data.classes = int64_t{*std::max_element(bytes.begin(), bytes.end())} + 1;
  return data;
}

}  // namespace pleat
