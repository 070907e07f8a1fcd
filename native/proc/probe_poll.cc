// Every probe there is on this kernel, whoever made it: what it is, how often it was hit and missed.
#include <time.h>
#include <unistd.h>

#include <map>
#include <sstream>

#include "files.h"
#include "perf/transport.h"
#include "poll.h"
#include "trace/text.h"
#include "trace/tracefs.h"

namespace ktop {
namespace {

struct Line {
  std::string letter, group, name, place, arguments;
  bool user = false;
};

// "r64:kprobes/open do_sys_openat2 ret=$retval"; false for what is no probe (synthetic events).
bool parse(const std::string& text, Line* line) {
  const size_t colon = text.find(':'), slash = text.find('/'), blank = text.find(' ');
  if (colon == text.npos || slash == text.npos || slash < colon || blank == text.npos || blank < slash) return false;
  line->letter = text.substr(0, 1);
  if (std::string("prfte").find(line->letter) == std::string::npos) return false;
  line->group = text.substr(colon + 1, slash - colon - 1);
  line->name = text.substr(slash + 1, blank - slash - 1);
  const size_t end = text.find(' ', blank + 1);
  line->place = text.substr(blank + 1, end == text.npos ? end : end - blank - 1);
  line->arguments = end == text.npos ? "" : text.substr(end + 1);
  line->user = (line->letter == "p" || line->letter == "r") && line->place.find('/') != std::string::npos;
  return true;
}

std::string kind_of(const Line& line) {
  const bool returns = line.place.size() > 7 && line.place.compare(line.place.size() - 7, 7, "%return") == 0;
  if (line.letter == "p") return line.user ? "uprobe" : returns ? "kretprobe" : "kprobe";
  if (line.letter == "r") return line.user ? "uretprobe" : "kretprobe";
  if (line.letter == "f") return returns ? "fprobe return" : "fprobe";
  return line.letter == "t" ? "tprobe" : "eprobe";
}

struct Profile {
  std::string name;
  double hits = 0, missed = 0;
};

// kprobe_profile "name hits missed", uprobe_profile "path name hits [missed]": in the order of the definitions.
std::vector<Profile> profile(const std::string& path, bool user) {
  std::vector<Profile> all;
  std::istringstream lines(slurp(path.c_str()));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    Profile one;
    std::string file;
    if (user) words >> file;
    if (!(words >> one.name >> one.hits)) continue;
    if (!(words >> one.missed)) one.missed = user ? kUnknown : 0;
    all.push_back(one);
  }
  return all;
}

class Probes final : public Poll {
 public:
  explicit Probes(const std::string& tracefs) : tracefs_(tracefs) {
    for (const Row& row : rows()) before_[row.line.group + "/" + row.line.name] = row.hits;
  }

  void read(const std::string& name, SnapshotData& out, Tasks&) override {
    TableData table;
    table.name = name;
    table.key = {"group", "name"};
    ColumnData &group = table.text("group"), &event = table.text("name"), &kind = table.text("kind"),
               &place = table.text("place"), &arguments = table.text("args"), &hits = table.number("hits"),
               &fresh = table.number("fresh"), &missed = table.number("missed"), &on = table.number("enabled"),
               &own = table.number("own"), &age = table.number("age");
    const std::string ours = "ktop_" + std::to_string(getpid()) + "_";
    std::map<std::string, double> now;
    for (const Row& row : rows()) {
      const std::string key = row.line.group + "/" + row.line.name;
      group.add_text(row.line.group);
      event.add_text(row.line.name);
      kind.add_text(kind_of(row.line));
      place.add_text(row.line.place + (row.places > 1 ? " +" + std::to_string(row.places - 1) + " more" : ""));
      arguments.add_text(row.line.arguments);
      hits.add(row.hits);
      const auto was = before_.find(key);
      fresh.add(was == before_.end() || row.hits < was->second ? row.hits : row.hits - was->second);
      missed.add(row.missed);
      const std::string enabled = slurp((tracefs_ + "/events/" + key + "/enable").c_str());
      on.add(enabled.empty() || enabled[0] == '0' ? 0 : 1);
      age.add(static_cast<double>(::time(nullptr) - since_));  // seconds
      own.add(starts_with(row.line.group, ours) ? 1 : 0);
      now[key] = row.hits;
      table.length++;
    }
    before_ = std::move(now);
    out.tables.push_back(std::move(table));
  }

 private:
  struct Row {
    Line line;
    int places = 1;
    double hits = kUnknown, missed = kUnknown;
  };

  std::vector<std::string> definitions() const {
    std::string text = slurp((tracefs_ + "/dynamic_events").c_str());
    if (text.empty())
      text = slurp((tracefs_ + "/kprobe_events").c_str()) + slurp((tracefs_ + "/uprobe_events").c_str());
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

  std::vector<Row> rows() const {
    const std::vector<Profile> kernel = profile(tracefs_ + "/kprobe_profile", false);
    const std::vector<Profile> user = profile(tracefs_ + "/uprobe_profile", true);
    std::vector<Row> rows;
    std::map<std::string, size_t> at;
    size_t next_kernel = 0, next_user = 0;
    for (const std::string& text : definitions()) {
      Row row;
      if (!parse(text, &row.line)) continue;
      if (row.line.letter == "p" || row.line.letter == "r") {
        // The names in a profile stand without their group: it is the order that tells them apart.
        const std::vector<Profile>& counts = row.line.user ? user : kernel;
        size_t& next = row.line.user ? next_user : next_kernel;
        if (next < counts.size() && counts[next].name == row.line.name) {
          row.hits = counts[next].hits;
          row.missed = counts[next].missed;
        }
        next++;
      }
      const auto [known, fresh] = at.emplace(row.line.group + "/" + row.line.name, rows.size());
      if (fresh) {
        rows.push_back(row);
        continue;
      }
      Row& first = rows[known->second];
      first.places++;
      first.hits += row.hits;
      first.missed += row.missed;
    }
    return rows;
  }

  const std::string tracefs_;
  const time_t since_ = ::time(nullptr);
  std::map<std::string, double> before_;
};

}  // namespace

std::unique_ptr<Poll> make_probe_poll(const std::string& tracefs) {
  if (tracefs.empty() || !may(tracefs + "/events", R_OK))
    throw Failure(Failure::kHost, "probes cannot be seen: tracefs is not readable; run ktop as root");
  return std::make_unique<Probes>(tracefs);
}

}  // namespace ktop
