#include "trace/print_format.h"

#include "check.h"
#include "record_builder.h"
#include "symbols/kallsyms.h"
#include "trace/format.h"

using namespace ktop;
using namespace ktop_test;

namespace {

EventFormat load(const std::string& file) { return parse_format("x", test_file("formats/" + file + ".txt")); }

// An event with the fields int i, unsigned u, u64 q, char s[8], u8 b[16] and this print fmt.
EventFormat with(const std::string& print) {
  return parse_format(
      "x",
      "name: e\nID: 5\n\tfield:int i;\toffset:8;\tsize:4;\tsigned:1;\n"
      "\tfield:unsigned int u;\toffset:12;\tsize:4;\tsigned:0;\n\tfield:u64 q;\toffset:16;\tsize:8;\tsigned:0;\n"
      "\tfield:char s[8];\toffset:24;\tsize:8;\tsigned:0;\n\tfield:__u8 b[16];\toffset:32;\tsize:16;\tsigned:0;\n"
      "\nprint fmt: " +
          print + "\n");
}

std::string render(const std::string& print, int32_t i = 0, uint32_t u = 0, uint64_t q = 0) {
  const EventFormat f = with(print);
  if (!f.print) return "unparsed";
  Bytes r;
  r.set<uint64_t>(0, 0).set(8, i).set(12, u).set(16, q).text(24, std::string("text\0\0\0\0", 8));
  for (int n = 0; n < 16; n++) r.set<uint8_t>(32 + n, static_cast<uint8_t>(n + 1));
  return f.print->render(f, r.raw(), r.size());
}

Bytes kvm(uint32_t reason, uint32_t isa) {
  Bytes r;
  r.set<uint64_t>(0, 0).set(8, reason).set<uint64_t>(16, 0xffff800012345678).set(24, isa).set<uint64_t>(64, 0);
  return r;
}

}  // namespace

TEST(print_switch_as_the_kernel_does) {
  const EventFormat f = load("6.18-sched_switch");
  Bytes r;
  r.set<uint64_t>(0, 0);
  r.data.resize(64);
  r.text(f.find("prev_comm")->offset, "bash").set<int32_t>(f.find("prev_pid")->offset, 42);
  r.set<int32_t>(f.find("prev_prio")->offset, 120).set<int64_t>(f.find("prev_state")->offset, 1);
  r.text(f.find("next_comm")->offset, "swapper/0").set<int32_t>(f.find("next_prio")->offset, 120);
  CHECK_EQ(f.print->render(f, r.raw(), r.size()),
           "prev_comm=bash prev_pid=42 prev_prio=120 prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120");
  const auto state = [&](int64_t v) {
    r.set(f.find("prev_state")->offset, v);
    return f.print->symbol(f, "prev_state", r.raw(), r.size());
  };
  CHECK_EQ(state(0), "R");
  CHECK_EQ(state(2), "D");
  CHECK_EQ(state(0x82), "D|I");
  CHECK_EQ(state(0x100), "R");
  CHECK_HAS(f.print->render(f, r.raw(), r.size()), "prev_state=R+ ==>");
  const auto table = f.print->table("prev_state");
  CHECK_EQ(table.size(), 8u);
  CHECK_EQ(table[0].first, 1u);
  CHECK_EQ(table[0].second, "S");
  CHECK_EQ(table[7].first, 0x80u);
  CHECK_EQ(table[7].second, "I");
  CHECK(f.print->table("prev_pid").empty());
  CHECK_EQ(f.print->symbol(f, "prev_pid", r.raw(), r.size()), "");
}

TEST(print_kvm_exit_picks_the_table_by_isa) {
  const EventFormat f = load("6.18-kvm_exit");
  const auto symbol = [&](uint32_t reason, uint32_t isa) {
    const Bytes r = kvm(reason, isa);
    return f.print->symbol(f, "exit_reason", r.raw(), r.size());
  };
  CHECK_EQ(symbol(12, 1), "HLT");
  CHECK_EQ(symbol(48, 1), "EPT_VIOLATION");
  CHECK_EQ(symbol(0x80000021, 1), "INVALID_STATE");
  CHECK_EQ(symbol(0x078, 2), "hlt");
  CHECK_EQ(symbol(0x041, 2), "DB excp");  // { 0x040 + 1, "DB excp" }
  CHECK_EQ(symbol(0x400, 2), "npf");
  CHECK_EQ(symbol(0xfff0, 1), "0xfff0");
  CHECK_EQ(f.print->table("exit_reason")[0].second, "EXCEPTION_NMI");
  const Bytes r = kvm(0x80000021, 1);
  CHECK_HAS(f.print->render(f, r.raw(), r.size()), "vcpu 0 reason INVALID_STATE FAILED_VMENTRY rip 0xffff800012345678");
}

TEST(print_flags_of_kmalloc) {
  const EventFormat f = load("6.18-kmalloc");
  Bytes r;
  r.data.resize(56);
  r.set<uint64_t>(8, 0xffffffff81000000);
  r.set<uint64_t>(f.find("bytes_req")->offset, 100).set<uint64_t>(f.find("bytes_alloc")->offset, 128);
  r.set<uint64_t>(f.find("gfp_flags")->offset, 0xcc0).set<int32_t>(f.find("node")->offset, -1);
  const std::string line = f.print->render(f, r.raw(), r.size());
  CHECK_HAS(line, "call_site=" + Kallsyms::get().name(0xffffffff81000000, true) + " ");
  CHECK_HAS(line, "bytes_req=100 bytes_alloc=128 gfp_flags=GFP_KERNEL node=-1");
  CHECK(f.print->table("gfp_flags").size() > 20);
}

TEST(print_block_events) {
  for (const char* file : {"6.1-block_bio_queue", "6.18-block_bio_queue"}) {
    const EventFormat f = load(file);
    Bytes r;
    r.data.resize(64);
    r.set<uint32_t>(8, 254u << 20 | 3).set<uint64_t>(16, 123456).set<uint32_t>(24, 8);
    r.text(f.find("rwbs")->offset, "WS").text(f.find("comm")->offset, "dd");
    CHECK_EQ(f.print->render(f, r.raw(), r.size()), "254,3 WS 123456 + 8 [dd]");
  }
}

TEST(print_conversions) {
  CHECK_EQ(render("\"%d %u %x %5d|%-5d|%05d %#x %c%%\", REC->i, REC->u, REC->u, REC->i, REC->i, REC->i, REC->u, 'A'",
                  -7, 255),
           "-7 255 ff    -7|-7   |-0007 0xff A%");
  CHECK_EQ(render("\"%llx %lu %lld %hhu %p %pS\", REC->q, REC->q, REC->q, REC->q, REC->q, (void *)REC->q", 0, 0,
                  0xffffffffffffff01),
           "ffffffffffffff01 18446744073709551361 -255 1 0xffffffffffffff01 0xffffffffffffff01");
  CHECK_EQ(render("\"%s|%8s|%-8s|%.2s|%.*s\", REC->s, REC->s, REC->s, REC->s, 3, REC->s"),
           "text|    text|text    |te|tex");
  CHECK_EQ(render("\"%pI4 %pI6c %pM\", REC->b, REC->b, REC->b"),
           "1.2.3.4 102:304:506:708:90a:b0c:d0e:f10 01:02:03:04:05:06");
  CHECK_EQ(render("\"%s %s\", __print_hex(REC->b, 3), __print_hex_str(REC->b, 3)"), "01 02 03 010203");
  CHECK_EQ(render("\"%s\", __print_array(REC->b, 2, 2)"), "{0x201,0x403}");
  CHECK_EQ(render("\"a\\tb\" \"c\\n\""), "a\tbc\n");
  CHECK_EQ(render("\"%d\""), "");           // an argument short
  CHECK_EQ(render("\"x%\", REC->i"), "x");  // a lone percent
}

TEST(print_expressions_as_in_c) {
  CHECK_EQ(render("\"%d\", 1 + 2 * 3 - (4 << 1) / 2 % 3"), "6");
  CHECK_EQ(render("\"%d %d\", REC->i < 0 ? -1 : 1, REC->u > -1", -5, 0), "-1 0");  // -1 becomes unsigned
  CHECK_EQ(render("\"%llx\", (u64)~0 >> 60"), "f");
  CHECK_EQ(render("\"%x\", ~0xffff & REC->u", 0, 0x12345678), "12340000");
  CHECK_EQ(render("\"%d\", (s8)REC->u", 0, 0x1ff), "-1");
  CHECK_EQ(render("\"%u\", (u8)REC->u", 0, 0x1ff), "255");
  CHECK_EQ(render("\"%d %d\", REC->b[2], *(u8 *)REC->b"), "3 1");
  CHECK_EQ(render("\"%d\", ((u16 *)REC->b)[1]"), "1027");
  CHECK_EQ(render("\"%d%d%d\", 1 && 0, 1 || 1 / 0, !5"), "010");
  CHECK_EQ(render("\"%d\", sizeof(REC->b) + sizeof(u32) + (int)sizeof(struct in6_addr)"), "36");
  CHECK_EQ(render("\"%lu\", 0x7fffffffUL + 1"), "2147483648");
  CHECK_EQ(render("\"%s\", REC->i ? \"yes\" : \"no\"", 1), "yes");
  CHECK_EQ(render("\"%s\", __print_symbolic(REC->u & 3, { 0x1 + 1, \"two\" }, { 3, \"three\" })", 0, 6), "two");
  CHECK_EQ(render("\"%s\", __print_symbolic(REC->u, { SOME_ENUM, \"x\" }, { 1, \"y\" })", 0, 5), "0x5");
  CHECK_EQ(render("\"%s\", __print_flags(REC->u, \"|\", { 1, \"a\" }, { 4, \"b\" })", 0, 13), "a|b|0x8");
  CHECK_EQ(render("\"%s\", __print_symbolic(REC->i, { -1, \"none\" }, { 0, ((void *)0) })", -1), "none");
}

TEST(print_falls_back_for_what_it_does_not_know) {
  CHECK_EQ(render("\"a=%s b=%d\", mystery(REC->u, REC->i), REC->i", 3, 4), "a=u=4 i=3 b=3");
  CHECK_EQ(render("\"a=%s b=%d\", ({ int x = REC->u; x, 1; }), REC->i", 3, 4), "a=u=4 b=3");
  CHECK_EQ(render("\"%d\", REC->nothing"), "?");
  CHECK_EQ(render("\"%d\", 1 / 0"), "?");
  CHECK_EQ(render("\"%d %d\", REC->u << 40, REC->u", 0, 9), "u=9 9");
  CHECK_EQ(render("no string"), "unparsed");
}

TEST(print_other_real_events) {
  const EventFormat fault = load("6.18-kvm_inj_exception");
  Bytes r;
  r.data.resize(24);
  r.set<uint8_t>(8, 14).set<uint8_t>(9, 1).set<uint32_t>(12, 2);
  CHECK_EQ(fault.print->render(fault, r.raw(), r.size()), "#PF (0x2)");
  const EventFormat ipi = load("6.18-ipi_send_cpumask");
  CHECK(ipi.print != nullptr);
  const Field* mask = ipi.find("cpumask");
  CHECK(mask != nullptr);
  Bytes m;
  m.data.resize(40);
  m.set<uint32_t>(mask->offset, 8 << 16 | 40).set<uint64_t>(40, 0xb7);
  CHECK_HAS(ipi.print->render(ipi, m.raw(), m.size()), "cpumask=0-2,4-5,7");
}

TEST(print_survives_depth_and_size) {
  std::string deep = "\"%d\", ";
  for (int i = 0; i < 100000; i++) deep += "(";
  CHECK_EQ(render(deep), "?");
  std::string chain = "\"%d\", REC->i";
  for (int i = 0; i < 50000; i++) chain += "|REC->i";
  render(chain);
  std::string ternaries = "\"%d\", ";
  for (int i = 0; i < 5000; i++) ternaries += "REC->i ? 1 : ";
  render(ternaries + "1");
  CHECK(render("\"%999999999d\", REC->i").size() < 20000);
  std::string wide = "\"";
  for (int i = 0; i < 5000; i++) wide += "%1000d";
  CHECK(render(wide + "\", 1").size() < 40000);
}
