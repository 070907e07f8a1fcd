#include "text.h"

#include <algorithm>

namespace ktop {

size_t edit_distance(std::string_view a, std::string_view b) {
  if (a.size() > 256 || b.size() > 256) return a == b ? 0 : 256;
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); j++) above[j] = j;
  for (size_t i = 1; i <= a.size(); i++) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); j++) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string* best = nullptr;
  size_t best_score = 0;
  for (const std::string& candidate : candidates) {
    size_t score = edit_distance(word, candidate) * 4;
    // A word contained in the other is nearer than its length difference says: "pid" → "prev_pid".
    if (!word.empty() && (candidate.find(word) != candidate.npos || word.find(candidate) != word.npos)) score /= 3;
    if (best && score >= best_score) continue;
    best = &candidate;
    best_score = score;
  }
  if (!best || best_score > 2 * std::max(word.size(), best->size())) return {};
  return *best;
}

}  // namespace ktop
