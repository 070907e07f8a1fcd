#include "engine/pointer_field.h"

#include <algorithm>
#include <cstring>

#include "perf/transport.h"

namespace ktop {
namespace {

using Names = std::vector<std::string>;

bool is_named(const Field& field, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return field.name == name; });
}

// What the kernel adds to every event, and what probes add of their own, tells no object.
bool is_own(const Field& field) {
  return field.name.compare(0, 7, "common_") != 0 && field.name.compare(0, 8, "__probe_") != 0 && !field.is_text &&
         field.where == Field::kInline;
}

template <typename F>
Names fields_that(const EventFormat& format, F accept) {
  Names names;
  for (const Field& field : format.fields)
    if (is_own(field) && accept(field)) names.push_back(field.name);
  return names;
}

bool is_pointer(const Field& field) { return field.type.find('*') != field.type.npos; }

bool is_telling(const Field& field) {
  return field.element == field.size && is_named(field, {"addr", "address", "page", "pfn", "obj", "object", "folio"});
}

// A probe's arguments have no C types: the only one that is as wide as an address is one.
bool is_wide_argument(const Field& field) { return field.size == 8 && field.element == 8; }

bool is_probe(const EventFormat& format) { return format.find("__probe_ip") || format.find("__probe_func"); }

std::string listed(const Names& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::string pointer_field(const EventFormat& format, const std::vector<const EventFormat*>& others) {
  const Names exact = fields_that(format, [](const Field& f) { return f.name == "ptr"; });
  if (!exact.empty()) return exact[0];
  Names several;
  for (const Names& found : {fields_that(format, is_pointer), fields_that(format, is_telling),
                             is_probe(format) ? fields_that(format, is_wide_argument) : Names()}) {
    if (found.size() == 1) return found[0];
    if (found.empty()) continue;
    Names shared;
    for (const std::string& name : found)
      if (std::all_of(others.begin(), others.end(), [&](const EventFormat* other) { return other->find(name); }))
        shared.push_back(name);
    if (shared.size() == 1 && !others.empty()) return shared[0];
    if (several.empty()) several = found;
  }
  const std::string event = format.system + ":" + format.name;
  if (!several.empty())
    throw Failure(Failure::kUsage, "event " + event + " has several fields that may tell its objects apart (" +
                                       listed(several) + "); name one: " + event + "/ptr=" + several[0] + "/");
  const Names all = fields_that(format, [](const Field&) { return true; });
  throw Failure(Failure::kUsage, "event " + event +
                                     " has no pointer field; name the field that tells its objects apart, as in " +
                                     event + "/ptr=FIELD/" + (all.empty() ? "" : "; its fields are " + listed(all)));
}

}  // namespace ktop
