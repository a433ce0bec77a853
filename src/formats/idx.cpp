#include <zlib.h>

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "formats/input_file.hpp"
#include "formats/pixels.hpp"
#include "formats/skip.hpp"
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
    most_bytes_ = gzdirect(file_.get()) ? size : size * most_per_byte;
  }

  uint64_t dim(size_t i) const { return dims_[i]; }
  uint64_t items() const { return dims_[0]; }
  uint64_t item_bytes() const { return bytes_ / dims_[0]; }
  /// Items that a file of this size may hold, where its header asks for more.
  uint64_t most_items() const { return std::min(items(), most_bytes_ / item_bytes()); }

  /// Reads items with `use(bytes, count)`, part by part, up to the end: how many there were. Fewer than the
  /// header says are an Error, or noted where `skipped` is given.
  template <class Use>
  uint64_t read_items(Skipped* skipped, Use use) {
    const uint64_t per_part = std::clamp<uint64_t>((uint64_t{1} << 18) / item_bytes(), 1, items());
    // No item that the file cannot hold is given room.
    std::vector<uint8_t> part(most_items() > 0 ? per_part * item_bytes() : 0);
    for (uint64_t done = 0; done < items();) {
      const uint64_t wanted = std::min(per_part, items() - done);
      const uint64_t got = read(part.data(), std::min(wanted * item_bytes(), part.size())) / item_bytes();
      use(part.data(), got);
      done += got;
      if (got == wanted) continue;
      end_early(skipped, concat("truncated at item ", done, " of ", items()));
      return done;
    }
    check_end(skipped);
    return items();
  }

  template <class... Args>
  [[noreturn]] void fail(const Args&... args) const {
    pleat::fail(name_, ": ", args...);
  }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose_r(file); }
  };

  /// Up to so many bytes: fewer where the file ends.
  size_t read(uint8_t* target, size_t bytes) {
    constexpr size_t most = 1 << 20;  // gzread counts in int
    size_t done = 0;
    while (done < bytes) {
      const int got = gzread(file_.get(), target + done, static_cast<unsigned>(std::min(bytes - done, most)));
      if (got == 0 || (got < 0 && ends_early())) break;
      if (got < 0) fail("damaged: ", gz_error());
      done += static_cast<size_t>(got);
    }
    return done;
  }

  /// Nothing may follow; reading on also makes zlib compare the checksum.
  void check_end(Skipped* skipped) {
    uint8_t byte;
    const int got = gzread(file_.get(), &byte, 1);
    if (got < 0) fail("damaged: ", gz_error());
    if (got > 0) fail("more data than its header says");
    if (ends_early()) end_early(skipped, "truncated behind its last item");
  }

  void end_early(Skipped* skipped, const std::string& how) const {
    if (skipped == nullptr) fail(how);
    skipped->reasons.push_back(concat(name_, ": ", how));
  }

  /// Whether zlib met the file's end inside its data.
  bool ends_early() const {
    int code = Z_OK;
    gzerror(file_.get(), &code);
    return code == Z_BUF_ERROR;
  }

  std::string gz_error() const {
    int code = Z_OK;
    return gzerror(file_.get(), &code);
  }

  void read_header(std::span<uint8_t> target) {
    if (read(target.data(), target.size()) < target.size()) fail("truncated in its header");
  }

  void read_dims(size_t rank) {
    constexpr uint8_t unsigned_bytes = 8;
    uint8_t magic[4];
    read_header(magic);
    if (magic[0] != 0 || magic[1] != 0) fail("not an IDX file");
    if (magic[2] != unsigned_bytes) fail("IDX type ", int{magic[2]}, ", unsigned bytes (8) are needed");
    if (magic[3] != rank) fail("IDX data of ", int{magic[3]}, " dimensions, ", rank, " are needed");
    for (size_t i = 0; i < rank; ++i) {
      uint8_t digits[4];
      read_header(digits);
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
  uint64_t bytes_ = 0, most_bytes_ = 0;
};

}  // namespace

Dataset read_idx(const std::filesystem::path& images, const std::filesystem::path& labels, Skipped* skipped) {
  IdxFile image_file(images, 3), label_file(labels, 1);
  const auto room = [&](const IdxFile& file) {
    if (skipped == nullptr && file.most_items() < file.items()) {
      file.fail("truncated: it has room for ", file.most_items(), " of its ", file.items(), " items");
    }
    return static_cast<int64_t>(file.most_items());
  };
  const int64_t image_room = room(image_file), label_room = room(label_file);
  if (image_file.items() != label_file.items()) {
    label_file.fail(label_file.items(), " labels, but ", images.string(), " has ", image_file.items(),
                    " images");
  }
  const auto dim = [&](size_t i) { return static_cast<int64_t>(image_file.dim(i)); };
  Dataset data;
  data.inputs = Tensor({image_room, 1, dim(1), dim(2)});
  data.labels = Tensor({label_room}, DType::i64);

  auto* values = data.inputs.data<float>();
  const uint64_t pixels = image_file.item_bytes();
  uint64_t items = image_file.read_items(skipped, [&](const uint8_t* bytes, uint64_t count) {
    formats::scale_pixels(bytes, count * pixels, values);
    values += count * pixels;
  });
  auto* next = data.labels.data<int64_t>();
  items = std::min(items, label_file.read_items(skipped, [&](const uint8_t* bytes, uint64_t count) {
    next = std::copy(bytes, bytes + count, next);
  }));
  if (items == 0) image_file.fail("no image can be used");
  if (items < image_file.items()) {
    skipped->items += static_cast<int64_t>(image_file.items() - items);
    const auto count = static_cast<int64_t>(items);
    data = {formats::first_items(data.inputs, count), formats::first_items(data.labels, count), 0};
  }
  const auto classes = data.labels.span<int64_t>();
  data.classes = *std::max_element(classes.begin(), classes.end()) + 1;
  return data;
}

}  // namespace pleat
