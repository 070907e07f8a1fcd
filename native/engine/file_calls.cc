#include "file_calls.h"

#include <cctype>
#include <sstream>

#include "perf/transport.h"

namespace ktop {
namespace {

CallEffect effect_of(const std::string& text) {
  static const std::pair<const char*, CallEffect::Kind> kinds[] = {{"open", CallEffect::kOpen},
                                                                   {"make", CallEffect::kMake},
                                                                   {"close", CallEffect::kClose},
                                                                   {"close_range", CallEffect::kCloseRange},
                                                                   {"dup", CallEffect::kDup},
                                                                   {"dup2", CallEffect::kDup2},
                                                                   {"fcntl", CallEffect::kFcntl},
                                                                   {"directory", CallEffect::kDirectory},
                                                                   {"fdirectory", CallEffect::kFileDirectory},
                                                                   {"read", CallEffect::kRead},
                                                                   {"write", CallEffect::kWrite},
                                                                   {"other", CallEffect::kOther},
                                                                   {"move", CallEffect::kMove}};
  std::istringstream words(text);
  std::string word;
  words >> word;
  CallEffect effect;
  for (auto& [name, kind] : kinds)
    if (word == name) effect.kind = kind;
  for (int* argument : {&effect.first, &effect.second, &effect.third})
    if (words >> word && std::isdigit(static_cast<unsigned char>(word[0]))) *argument = word[0] - '0';
  if (effect.kind == CallEffect::kNone) throw Failure(Failure::kInternal, "unknown effect of a call: \"" + text + "\"");
  return effect;
}

}  // namespace

CallKinds::CallKinds(const Engine& engine) {
  const auto find = [&](const char* which) -> const Engine::Names* {
    const auto found = engine.names.find(which);
    return found == engine.names.end() ? nullptr : &found->second;
  };
  names_ = find("call");
  if (const auto* arguments = find("arguments"))
    for (auto& [number, letters] : *arguments) kinds_[number].arguments = letters;
  if (const auto* effects = find("effect"))
    for (auto& [number, effect] : *effects) kinds_[number].effect = effect_of(effect);
}

const CallKind& CallKinds::of(int64_t number) const {
  static const CallKind none;
  const auto found = kinds_.find(number);
  return found == kinds_.end() ? none : found->second;
}

std::string CallKinds::name(int64_t number) const {
  if (names_)
    if (const auto found = names_->find(number); found != names_->end()) return found->second;
  return std::to_string(number);
}

}  // namespace ktop
