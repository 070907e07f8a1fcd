#include "engine/event_groups.h"

#include <dirent.h>
#include <fnmatch.h>

#include <algorithm>
#include <map>

#include "trace/text.h"
#include "trace/tracefs.h"

namespace ktop {
namespace {

const std::pair<const char*, const char*> kEnds[] = {{"_enter", "_exit"}, {"_begin", "_end"}, {"_start", "_done"}};

bool ends_with(const std::string& text, const std::string& ending) {
  return text.size() > ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

std::vector<std::string> events_of(const std::string& directory, const std::string& pattern) {
  std::vector<std::string> names;
  DIR* open = opendir(directory.c_str());
  if (!open) return names;
  while (const dirent* entry = readdir(open))
    if (entry->d_name[0] != '.' && entry->d_type == DT_DIR && fnmatch(pattern.c_str(), entry->d_name, 0) == 0)
      names.emplace_back(entry->d_name);
  closedir(open);
  std::sort(names.begin(), names.end());
  return names;
}

struct Part {
  std::string as = "event", name;
};

Part part_of(const std::string& event, const std::vector<std::string>& all) {
  const auto has = [&](const std::string& name) { return std::binary_search(all.begin(), all.end(), name); };
  for (auto& [first, second] : kEnds) {
    if (ends_with(event, first)) {
      const std::string stem = event.substr(0, event.size() - std::string(first).size());
      if (has(stem + second)) return {"enter", stem};
    }
    if (ends_with(event, second)) {
      const std::string stem = event.substr(0, event.size() - std::string(second).size());
      if (has(stem + first)) return {"exit", stem};
    }
  }
  return {"event", event};
}

}  // namespace

bool is_group(const EventSpec& event) { return !event.names.empty() && event.names[0].find('*') != std::string::npos; }

std::vector<std::string> expand_groups(Plan* plan, const std::string& tracefs) {
  std::vector<std::string> vain;
  std::vector<EventSpec> events;
  std::map<std::string, std::vector<std::string>> members;  // id of a group → ids
  std::map<std::string, Part> parts;                        // id → what it is
  for (const EventSpec& event : plan->events) {
    if (!is_group(event)) {
      events.push_back(event);
      continue;
    }
    std::vector<std::string>& ids = members[event.id];
    for (const std::string& name : event.names) {
      const size_t colon = name.find(':');
      const std::string system = name.substr(0, colon);
      const std::string directory = tracefs + "/events/" + system;
      const std::vector<std::string> all = events_of(directory, "*");
      for (const std::string& each : events_of(directory, name.substr(colon + 1))) {
        const std::string id = system + ":" + each;
        if (parts.count(id)) continue;
        parts[id] = part_of(each, all);
        ids.push_back(id);
        EventSpec one = event;
        one.id = id;
        one.names = {id};
        events.push_back(one);
      }
    }
    if (ids.empty()) vain.insert(vain.end(), event.names.begin(), event.names.end());
  }
  if (members.empty()) return vain;
  plan->events = std::move(events);
  for (OperatorSpec& op : plan->operators) {
    std::vector<ClauseSpec> clauses;
    for (const ClauseSpec& clause : op.on) {
      const auto group = members.find(clause.event);
      if (group == members.end()) {
        clauses.push_back(clause);
        continue;
      }
      for (const std::string& id : group->second) {
        ClauseSpec one = clause;
        const Part& part = parts[id];
        one.event = id;
        if (one.as.empty()) one.as = part.as;
        const std::string name = one.as == "event" ? id.substr(id.find(':') + 1) : part.name;
        for (auto& [column, text] : one.key)
          if (text.empty()) text = "\"" + name + "\":text";
        clauses.push_back(std::move(one));
      }
    }
    op.on = std::move(clauses);
  }
  return vain;
}

}  // namespace ktop
