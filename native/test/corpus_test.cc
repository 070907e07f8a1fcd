// Replays the seeds and past findings of the fuzz targets.
#include <dirent.h>

#include "check.h"
#include "fuzz/targets.h"

using namespace ktop_test;

namespace {

int replay(const std::string& name, void (*target)(const uint8_t*, size_t)) {
  const std::string folder = "../fuzz/corpus/" + name;
  DIR* dir = opendir((std::string(KTOP_TEST_DIR) + "/" + folder).c_str());
  int n = 0;
  while (const dirent* entry = dir ? readdir(dir) : nullptr) {
    if (entry->d_name[0] == '.') continue;
    const std::string bytes = test_file(folder + "/" + entry->d_name);
    target(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    n++;
  }
  if (dir) closedir(dir);
  return n;
}

}  // namespace

TEST(corpus_of_formats) { CHECK(replay("format", ktop_fuzz::format) >= 5); }
TEST(corpus_of_rings) { CHECK(replay("ring", ktop_fuzz::ring) >= 4); }
TEST(corpus_of_perf_data) { CHECK(replay("perfdata", ktop_fuzz::perfdata) >= 6); }
TEST(corpus_of_pages) { CHECK(replay("page", ktop_fuzz::page) >= 3); }
