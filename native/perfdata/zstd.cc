#include "zstd.h"

#include <dlfcn.h>

namespace ktop {
namespace {

// Of zstd's stable interface (zstd.h, "Streaming decompression"), unchanged since 1.0.
struct InBuffer {
  const void* source;
  size_t size, at;
};
struct OutBuffer {
  void* target;
  size_t size, at;
};

struct Library {
  void* (*create)() = nullptr;
  size_t (*destroy)(void*) = nullptr;
  size_t (*decompress)(void*, OutBuffer*, InBuffer*) = nullptr;
  unsigned (*is_error)(size_t) = nullptr;
  bool whole() const { return create && destroy && decompress && is_error; }

  static const Library& get() {
    static const Library library = [] {
      Library found = of(RTLD_DEFAULT);
      if (found.whole()) return found;
      void* handle = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
      return handle ? of(handle) : Library();
    }();
    return library;
  }

 private:
  template <typename F>
  static void find(void* from, const char* name, F* function) {
    *function = reinterpret_cast<F>(dlsym(from, name));
  }
  static Library of(void* from) {
    Library found;
    find(from, "ZSTD_createDStream", &found.create);
    find(from, "ZSTD_freeDStream", &found.destroy);
    find(from, "ZSTD_decompressStream", &found.decompress);
    find(from, "ZSTD_isError", &found.is_error);
    return found;
  }
};

}  // namespace

bool ZstdStream::available() { return Library::get().whole(); }

ZstdStream::~ZstdStream() {
  if (stream_) Library::get().destroy(stream_);
}

bool ZstdStream::decompress(const uint8_t*& in, const uint8_t* in_end, uint8_t*& out, uint8_t* out_end) {
  const Library& library = Library::get();
  if (!library.whole()) return false;
  if (!stream_) stream_ = library.create();
  if (!stream_) return false;
  InBuffer from{in, static_cast<size_t>(in_end - in), 0};
  OutBuffer to{out, static_cast<size_t>(out_end - out), 0};
  const size_t result = library.decompress(stream_, &to, &from);
  in += from.at;
  out += to.at;
  return !library.is_error(result);
}

}  // namespace ktop
