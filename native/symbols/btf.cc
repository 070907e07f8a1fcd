#include "btf.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <set>

namespace ktop {
namespace {

constexpr uint16_t kMagic = 0xeb9f;
constexpr size_t kHeader = 24, kType = 12;
constexpr off_t kMostBytes = 256 << 20;
constexpr char kHome[] = "/sys/kernel/btf/";

template <typename T>
T load(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// Bytes behind a type's common part; SIZE_MAX: a kind of a later kernel, whose length is not known.
size_t detail_of(uint8_t kind, size_t count) {
  switch (kind) {
    case 1:   // integer
    case 14:  // variable
    case 17:  // declaration tag
      return 4;
    case 3:  // array
      return 12;
    case Btf::kStruct:
    case Btf::kUnion:
    case Btf::kEnum64:
    case 15:  // data section
      return count * 12;
    case Btf::kEnum:
    case Btf::kPrototype:
      return count * 8;
    case 2:  // pointer
    case 7:  // forward
    case Btf::kTypedef:
    case 9:   // volatile
    case 10:  // const
    case 11:  // restrict
    case Btf::kFunction:
    case 16:  // float
    case 18:  // type tag
      return 0;
    default:
      return SIZE_MAX;
  }
}

std::string read_blob(const std::string& path) {
  std::string bytes;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (fd < 0) return bytes;
  if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < kMostBytes) {
    bytes.resize(static_cast<size_t>(st.st_size));
    size_t done = 0;
    for (ssize_t n; done < bytes.size() && (n = read(fd, &bytes[done], bytes.size() - done)) > 0;)
      done += static_cast<size_t>(n);
    bytes.resize(done);
  }
  close(fd);
  return bytes;
}

std::string_view part(std::string_view whole, uint64_t offset, uint64_t length) {
  return offset <= whole.size() && length <= whole.size() - offset ? whole.substr(offset, length) : std::string_view();
}

}  // namespace

Btf::Btf(std::string bytes, const Btf* base) : bytes_(std::move(bytes)), base_(base) {
  const std::string_view all = bytes_;
  if (all.size() < kHeader || load<uint16_t>(all, 0) != kMagic) return;
  const uint64_t start = load<uint32_t>(all, 4);
  types_ = part(all, start + load<uint32_t>(all, 8), load<uint32_t>(all, 12));
  strings_ = part(all, start + load<uint32_t>(all, 16), load<uint32_t>(all, 20));
}

std::string_view Btf::text(uint32_t offset) const {
  // A module's names go on where the kernel's end.
  const size_t below = base_ ? base_->strings_.size() : 0;
  if (base_ && offset < below) return base_->text(offset);
  if (offset - below >= strings_.size()) return {};
  const std::string_view rest = strings_.substr(offset - below);
  return rest.substr(0, rest.find('\0'));
}

void Btf::each(const std::function<void(const Type&)>& visit) const {
  for (size_t at = 0; at + kType <= types_.size();) {
    Type type;
    const uint32_t info = load<uint32_t>(types_, at + 4);
    type.name = load<uint32_t>(types_, at);
    type.kind = info >> 24 & 0x1f;
    type.flag = info >> 31;
    type.count = info & 0xffff;
    type.size = load<uint32_t>(types_, at + 8);
    at += kType;
    const size_t length = detail_of(type.kind, type.count);
    if (length > types_.size() - at) return;
    type.detail = types_.substr(at, length);
    at += length;
    visit(type);
  }
}

std::unordered_map<uint32_t, std::string> Btf::offsets_of(const std::vector<std::string>& names) const {
  const std::set<std::string_view> wanted(names.begin(), names.end());
  uint64_t lengths = 0;  // a bit each: most names need no closer look
  for (std::string_view name : wanted) lengths |= UINT64_C(1) << name.size() % 64;
  std::unordered_map<uint32_t, std::string> found;
  const auto scan = [&](std::string_view strings, size_t first) {
    for (size_t at = 0; at < strings.size();) {
      const size_t end = std::min(strings.find('\0', at), strings.size());
      const std::string_view name = strings.substr(at, end - at);
      if (lengths >> name.size() % 64 & 1 && wanted.count(name))
        found.emplace(static_cast<uint32_t>(first + at), std::string(name));
      at = end + 1;
    }
  };
  if (base_) scan(base_->strings_, 0);
  scan(strings_, base_ ? base_->strings_.size() : 0);
  return found;
}

Enumerators find_enumerators(const Btf& btf, const std::vector<std::string>& names) {
  const std::unordered_map<uint32_t, std::string> wanted = btf.offsets_of(names);
  Enumerators found;
  std::set<std::string> ambiguous;
  if (wanted.empty()) return found;
  uint32_t least = UINT32_MAX, most = 0;
  for (auto& [offset, name] : wanted) least = std::min(least, offset), most = std::max(most, offset);
  btf.each([&](const Btf::Type& type) {
    if (type.kind != Btf::kEnum && type.kind != Btf::kEnum64) return;
    const size_t entry = type.kind == Btf::kEnum ? 8 : 12;
    for (size_t at = 0; at < type.detail.size(); at += entry) {
      const uint32_t offset = load<uint32_t>(type.detail, at);
      if (offset < least || offset > most) continue;
      const auto name = wanted.find(offset);
      if (name == wanted.end()) continue;
      const uint32_t low = load<uint32_t>(type.detail, at + 4);
      int64_t value = type.flag ? static_cast<int32_t>(low) : static_cast<int64_t>(low);
      if (entry == 12)
        value = static_cast<int64_t>(static_cast<uint64_t>(load<uint32_t>(type.detail, at + 8)) << 32 | low);
      const auto [place, first] = found.try_emplace(name->second, value);
      if (!first && place->second != value) ambiguous.insert(place->first);
    }
  });
  for (const std::string& name : ambiguous) found.erase(name);
  return found;
}

Enumerators kernel_enumerators(const std::vector<std::string>& names) {
  static std::mutex mutex;
  static Enumerators* const known = new Enumerators;  // never destroyed: threads may still run at the end
  static std::set<std::string>* const sought = new std::set<std::string>;
  std::lock_guard<std::mutex> hold(mutex);
  std::vector<std::string> missing;
  const auto drop_found = [&] {
    missing.erase(std::remove_if(missing.begin(), missing.end(), [](auto& name) { return known->count(name) != 0; }),
                  missing.end());
  };
  for (const std::string& name : names)
    if (sought->insert(name).second) missing.push_back(name);
  if (!missing.empty()) {
    const Btf kernel(read_blob(std::string(kHome) + "vmlinux"));
    known->merge(find_enumerators(kernel, missing));
    drop_found();
    DIR* modules = missing.empty() ? nullptr : opendir(kHome);
    while (const dirent* entry = modules ? readdir(modules) : nullptr) {
      const std::string module = entry->d_name;
      if (missing.empty() || module[0] == '.' || module == "vmlinux") continue;
      known->merge(find_enumerators(Btf(read_blob(kHome + module), &kernel), missing));
      drop_found();
    }
    if (modules) closedir(modules);
  }
  Enumerators result;
  for (const std::string& name : names)
    if (const auto found = known->find(name); found != known->end()) result.insert(*found);
  return result;
}

}  // namespace ktop
