// BTF made by hand, this kernel's own, and what a print fmt makes of it.
#include "symbols/btf.h"

#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "symbols/symbols.h"
#include "test/check.h"
#include "trace/format.h"
#include "trace/print_format.h"

using namespace ktop;

namespace {

struct Maker {
  std::string types, strings = std::string(1, '\0');
  uint32_t below = 0;  // length of the base's strings

  uint32_t name(const std::string& text) {
    const uint32_t at = below + static_cast<uint32_t>(strings.size());
    strings += text + '\0';
    return at;
  }
  void word(uint32_t value) { types.append(reinterpret_cast<const char*>(&value), 4); }
  void type(uint32_t named, uint32_t kind, uint32_t count, uint32_t size, bool flag = false) {
    word(named);
    word(kind << 24 | count | (flag ? 1u << 31 : 0));
    word(size);
  }
  std::string done() const {
    std::string out;
    const auto add = [&out](auto value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
    add(static_cast<uint16_t>(0xeb9f));
    add(static_cast<uint16_t>(1));
    for (size_t each : {size_t(24), size_t(0), types.size(), types.size(), strings.size()})
      add(static_cast<uint32_t>(each));
    return out + types + strings;
  }
};

Maker sample() {
  Maker make;
  make.type(make.name("int"), 1, 0, 4);
  make.word(32);
  make.type(make.name("pair"), Btf::kStruct, 2, 8);
  for (int i = 0; i < 6; i++) make.word(0);
  make.type(make.name("mode"), Btf::kEnum, 2, 4);
  make.word(make.name("MODE_ABS"));
  make.word(0);
  const uint32_t shared = make.name("SHARED");
  make.word(shared);
  make.word(7);
  make.type(0, Btf::kEnum, 3, 4, true);
  make.word(make.name("MINUS"));
  make.word(static_cast<uint32_t>(-5));
  make.word(shared);
  make.word(7);
  const uint32_t torn = make.name("TORN");
  make.word(torn);
  make.word(1);
  make.type(make.name("wide"), Btf::kEnum64, 2, 8);
  make.word(make.name("BIG"));
  make.word(1);
  make.word(2);
  make.word(torn);
  make.word(2);
  make.word(0);
  return make;
}

const std::vector<std::string> kNames = {"MODE_ABS", "SHARED", "MINUS", "TORN", "BIG", "NONE", "OF_MODULE"};

std::string shown(const Enumerators& found) {
  std::string text;
  for (auto& [name, value] : found) text += name + "=" + std::to_string(value) + " ";
  return text;
}

}  // namespace

TEST(btf_finds_enumerators) {
  const Btf btf(sample().done());
  // TORN means two things: left out.
  CHECK_EQ(shown(find_enumerators(btf, kNames)), "BIG=8589934593 MINUS=-5 MODE_ABS=0 SHARED=7 ");
  size_t types = 0;
  btf.each([&](const Btf::Type& type) {
    if (types++ == 1) {
      CHECK_EQ(std::string(btf.text(type.name)), "pair");
      CHECK_EQ(type.count, 2);
      CHECK_EQ(type.detail.size(), 24u);
    }
  });
  CHECK_EQ(types, 5u);
}

TEST(btf_of_a_module_goes_on_from_the_kernels) {
  const Maker base = sample();
  const Btf kernel(base.done());
  Maker make;
  make.below = static_cast<uint32_t>(base.strings.size());
  make.type(make.name("of"), Btf::kEnum, 2, 4);
  make.word(make.name("OF_MODULE"));
  make.word(3);
  make.word(static_cast<uint32_t>(base.strings.find("MODE_ABS")));  // a name the kernel has already
  make.word(4);
  const Btf module(make.done(), &kernel);
  CHECK_EQ(shown(find_enumerators(module, kNames)), "MODE_ABS=4 OF_MODULE=3 ");
}

TEST(btf_that_is_broken_has_less_in_it) {
  const std::string whole = sample().done();
  for (size_t length = 0; length < whole.size(); length++) find_enumerators(Btf(whole.substr(0, length)), kNames);
  for (size_t at = 0; at < whole.size(); at++)
    for (int bits : {0x01, 0x80, 0xff}) {
      std::string wrong = whole;
      wrong[at] = static_cast<char>(wrong[at] ^ bits);
      find_enumerators(Btf(wrong), kNames);
    }
  CHECK_EQ(shown(find_enumerators(Btf(""), kNames)), "");
  CHECK_EQ(std::string(Btf(whole).text(UINT32_MAX)), "");
}

TEST(btf_of_this_kernel_knows_its_names) {
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) return;
  const Enumerators found = kernel_enumerators({"HRTIMER_MODE_REL_PINNED_HARD", "no_such_enumerator", "TCP_LISTEN"});
  CHECK_EQ(shown(found), "HRTIMER_MODE_REL_PINNED_HARD=11 TCP_LISTEN=10 ");
  CHECK_EQ(shown(kernel_enumerators({"TCP_LISTEN"})), "TCP_LISTEN=10 ");
}

namespace {

// Knows two of the three names.
class SomeNames final : public Symbols {
 public:
  uint64_t address(const std::string&) const override { return 0; }
  std::string name(uint64_t, bool) const override { return "?"; }
  Enumerators enumerators(const std::vector<std::string>& names) const override {
    asked += std::to_string(names.size()) + " ";
    return {{"MODE_A", 0}, {"MODE_B", -2}};
  }
  mutable std::string asked;
};

}  // namespace

TEST(print_format_learns_names_when_it_prints) {
  EventFormat format = parse_format(
      "made",
      "name: x\nID: 7\nformat:\n\tfield:int mode;\toffset:8;\tsize:4;\tsigned:1;\n\nprint fmt: \"mode=%s twice=%d\", "
      "__print_symbolic(REC->mode, { MODE_A, \"A\" }, { MODE_B, \"B\" }, { MODE_C, \"C\" }), REC->mode + MODE_B\n");
  SomeNames names;
  format.symbols = &names;
  const auto printed = [&](int32_t mode) {
    uint8_t raw[12] = {};
    std::memcpy(raw + 8, &mode, 4);
    return format.print->render(format, raw, sizeof raw);
  };
  CHECK_EQ(names.asked, "");
  CHECK_EQ(printed(0), "mode=A twice=-2");
  CHECK_EQ(printed(-2), "mode=B twice=-4");
  CHECK_EQ(printed(3), "mode=0x3 twice=1");
  CHECK_EQ(names.asked, "3 ");
}
