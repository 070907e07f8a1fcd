// The guardian, a program of its own: waits until its stdin ends, then takes away what is left of the process that
// wrote there. The addon carries it and starts it from memory, so it needs neither libc nor anything on this host. Each
// line of stdin is one thing:
//   /path                a directory to remove: an instance
//   -:group/event FILE   a line to append to FILE, unless FILE has no such event any more
//   @/journal            settings: the root of tracefs, then files below it and what was in them
#include <linux/fcntl.h>

#include <cstddef>
#include <cstdint>

namespace {

#if defined(__x86_64__)
enum : long {
  kRead = 0,
  kWrite = 1,
  kClose = 3,
  kNanosleep = 35,
  kExit = 231,
  kPrctl = 157,
  kOpenAt = 257,
  kUnlinkAt = 263,
  kCloseRange = 436
};

long call(long number, long a = 0, long b = 0, long c = 0, long d = 0) {
  long result;
  register long r10 asm("r10") = d;
  asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
enum : long {
  kRead = 63,
  kWrite = 64,
  kClose = 57,
  kNanosleep = 101,
  kExit = 94,
  kPrctl = 167,
  kOpenAt = 56,
  kUnlinkAt = 35,
  kCloseRange = 436
};

long call(long number, long a = 0, long b = 0, long c = 0, long d = 0) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#endif

constexpr long kNoEntry = -2, kNoDirectory = -20, kInterrupted = -4;
constexpr int kTries = 200;  // EBUSY lasts while the descriptors of the dead are being closed
constexpr long kPause_ns = 50'000'000;

char entries[1 << 20];
char content[1 << 20];

long address(const void* pointer) { return reinterpret_cast<long>(pointer); }

size_t length(const char* text) {
  size_t n = 0;
  while (text[n]) n++;
  return n;
}

char* find(char* text, char wanted) {
  while (*text && *text != wanted) text++;
  return *text ? text : nullptr;
}

bool starts_with(const char* text, const char* start, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (text[i] != start[i]) return false;
  return true;
}

// Everything of a descriptor that fits, with a NUL behind it.
size_t read_all(int fd, char* into, size_t room) {
  size_t n = 0;
  while (n + 1 < room) {
    const long got = call(kRead, fd, address(into + n), static_cast<long>(room - 1 - n));
    if (got == kInterrupted) continue;
    if (got <= 0) break;
    n += static_cast<size_t>(got);
  }
  into[n] = 0;
  return n;
}

// False: there is no such file.
bool read_file(const char* path) {
  const long fd = call(kOpenAt, AT_FDCWD, address(path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  read_all(static_cast<int>(fd), content, sizeof content);
  call(kClose, fd);
  return true;
}

bool write_line(const char* path, const char* line, int flags) {
  const long fd = call(kOpenAt, AT_FDCWD, address(path), O_WRONLY | O_CLOEXEC | flags);
  if (fd < 0) return false;
  const long n = static_cast<long>(length(line));
  static char whole[4096];
  bool done = n + 1 < static_cast<long>(sizeof whole);
  for (long i = 0; done && i < n; i++) whole[i] = line[i];
  if (done) whole[n] = '\n';
  done = done && call(kWrite, fd, address(whole), n + 1) == n + 1;
  call(kClose, fd);
  return done;
}

// "-:group/event file": appended, for the file is not ours alone.
bool remove_event(char* entry) {
  char* blank = find(entry, ' ');
  if (!blank) return true;
  bool done = true;
  *blank = 0;
  if (read_file(blank + 1)) {
    const char* event = entry + 2;
    const size_t n = length(event);
    bool is_there = false;
    for (char* at = content; !is_there && (at = find(at, ':')); at++)
      is_there = starts_with(at + 1, event, n) && at[1 + n] == ' ';
    done = !is_there || write_line(blank + 1, entry, O_APPEND);
  }
  *blank = ' ';
  return done;
}

bool leads_elsewhere(const char* file) {
  if (*file == '/' || *file == 0) return true;
  for (; *file; file++)
    if (file[0] == '.' && file[1] == '.') return true;
  return false;
}

bool restore(const char* journal) {
  if (!read_file(journal)) return true;
  bool done = true;
  static char path[4096];
  size_t root = 0;
  bool first = true;
  for (char *line = content, *next; line && *line; line = next) {
    next = find(line, '\n');
    if (next) *next++ = 0;
    if (first) {
      while (line[root] && root < sizeof path / 2) path[root] = line[root], root++;
      path[root] = '/';
      first = false;
      continue;
    }
    char* blank = find(line, ' ');
    if (!blank) continue;
    *blank = 0;
    const size_t n = length(line);
    if (leads_elsewhere(line) || root + n + 2 > sizeof path) continue;
    for (size_t i = 0; i <= n; i++) path[root + 1 + i] = line[i];
    done = write_line(path, blank + 1, O_TRUNC) && done;
  }
  if (done) call(kUnlinkAt, AT_FDCWD, address(journal), 0);
  return done;
}

bool remove(char* entry) {
  if (entry[0] == '-' && entry[1] == ':') return remove_event(entry);
  if (entry[0] == '@') return restore(entry + 1);
  const long result = call(kUnlinkAt, AT_FDCWD, address(entry), AT_REMOVEDIR);
  return result == 0 || result == kNoEntry || result == kNoDirectory;
}

}  // namespace

extern "C" [[noreturn]] void _start() {
  constexpr long kSetName = 15;
  call(kPrctl, kSetName, address("ktop-guardian"));
  // Whatever was not opened close-on-exec; before Linux 5.9 one by one.
  if (call(kCloseRange, 3, ~0u) != 0)
    for (long fd = 3; fd < 1024; fd++) call(kClose, fd);
  const size_t size = read_all(0, entries, sizeof entries);
  for (size_t i = 0; i < size; i++)
    if (entries[i] == '\n') entries[i] = 0;
  for (int tries = 0; tries < kTries; tries++) {
    bool done = true;
    for (size_t at = 0; at < size; at += length(entries + at) + 1)
      if (entries[at]) done = remove(entries + at) && done;
    if (done) break;
    const int64_t pause[2] = {0, kPause_ns};
    call(kNanosleep, address(pause), 0);
  }
  call(kExit, 0);
  for (;;) {
  }
}
