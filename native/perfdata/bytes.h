// Where the bytes of a perf.data file come from, and a reader of them that cannot run over the end.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace ktop {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual uint64_t size() const = 0;
  // How many of the `n` bytes at `offset` there are; fewer only at the end, or when they cannot be read.
  virtual size_t read(uint64_t offset, void* to, size_t n) const = 0;
};

class MemoryBytes final : public ByteSource {
 public:
  // The memory outlives it.
  MemoryBytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint64_t size() const override { return size_; }
  size_t read(uint64_t offset, void* to, size_t n) const override {
    if (offset >= size_) return 0;
    if (n > size_ - offset) n = size_ - offset;
    memcpy(to, data_ + offset, n);
    return n;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

// Reads with pread: a file that is cut while it is read is a short read, not a SIGBUS.
class FileBytes final : public ByteSource {
 public:
  // Throws Failure(kInternal): cause; remedy.
  explicit FileBytes(const std::string& path);
  ~FileBytes() override;
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  uint64_t size() const override { return size_; }
  size_t read(uint64_t offset, void* to, size_t n) const override;
  // Wall clock of its last change, ns since the epoch.
  uint64_t changed() const { return changed_; }

 private:
  int fd_ = -1;
  uint64_t size_ = 0, changed_ = 0;
};

// Takes values from bytes one after another. Past the end everything is zero or empty, and ok() is false.
class Span {
 public:
  Span(const uint8_t* data, size_t size) : at_(data), left_(size) {}
  explicit Span(std::string_view text) : Span(reinterpret_cast<const uint8_t*>(text.data()), text.size()) {}

  bool ok() const { return ok_; }
  size_t left() const { return left_; }
  const uint8_t* at() const { return at_; }

  template <typename T>
  T take() {
    T value{};
    if (const uint8_t* from = skip(sizeof value)) memcpy(&value, from, sizeof value);
    return value;
  }
  std::string_view bytes(uint64_t n) {
    const uint8_t* from = skip(n);
    return from ? std::string_view(reinterpret_cast<const char*>(from), n) : std::string_view();
  }
  // Up to its NUL, which is taken too.
  std::string_view text() {
    const void* end = left_ ? memchr(at_, 0, left_) : nullptr;
    if (!end) {
      skip(left_ + 1);
      return {};
    }
    const std::string_view found = bytes(static_cast<size_t>(static_cast<const uint8_t*>(end) - at_));
    skip(1);
    return found;
  }

 private:
  const uint8_t* skip(uint64_t n) {
    if (n > left_) {
      ok_ = false;
      at_ += left_;
      left_ = 0;
      return nullptr;
    }
    const uint8_t* from = at_;
    at_ += n;
    left_ -= n;
    return from;
  }

  const uint8_t* at_;
  size_t left_;
  bool ok_ = true;
};

// Text in a field of fixed size: up to its first NUL, or all of it.
inline std::string_view until_nul(std::string_view field) { return field.substr(0, field.find('\0')); }

}  // namespace ktop
