// Which field identifies the object of an event, from formats as kernels have them.
#include "engine/pointer_field.h"

#include "perf/transport.h"
#include "test/check.h"

using namespace ktop;

namespace {

// Fields as "type name", 8 bytes each unless the type says otherwise.
EventFormat format(const std::string& name, const std::vector<std::string>& fields) {
  std::string text = "name: " + name + "\nID: 7\nformat:\n\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";
  size_t offset = 8;
  for (const std::string& field : fields) {
    const size_t size = field.compare(0, 4, "int ") == 0 || field.compare(0, 10, "__data_loc") == 0 ? 4 : 8;
    text += "\tfield:" + field + ";\toffset:" + std::to_string(offset) + ";\tsize:" + std::to_string(size) +
            ";\tsigned:0;\n";
    offset += 8;
  }
  return parse_format("made", text + "\nprint fmt: \"\"\n");
}

std::string why(const EventFormat& event, const std::vector<const EventFormat*>& others) {
  try {
    return "chose " + pointer_field(event, others);
  } catch (const Failure& failure) {
    return std::string(failure.kind == Failure::kUsage ? "usage: " : "?: ") + failure.what();
  }
}

}  // namespace

TEST(pointer_field_is_found_by_name_type_or_width) {
  const EventFormat slab = format("kmalloc", {"unsigned long call_site", "const void * ptr", "size_t bytes_alloc"});
  const EventFormat percpu = format("percpu_alloc", {"void * base_addr", "void __seg_gs * ptr"});
  const EventFormat pages = format("mm_page_alloc", {"unsigned long pfn", "int order", "unsigned long gfp_flags"});
  const EventFormat skb = format("skb", {"void * skbaddr", "int reason"});
  const EventFormat kret =
      format("myalloc", {"unsigned long __probe_func", "unsigned long __probe_ret_ip", "u64 arg1"});
  const EventFormat kprobe = format("myfree", {"unsigned long __probe_ip", "u64 object", "int size"});
  CHECK_EQ(pointer_field(slab, {}), "ptr");
  CHECK_EQ(pointer_field(percpu, {}), "ptr");
  CHECK_EQ(pointer_field(pages, {}), "pfn");
  CHECK_EQ(pointer_field(skb, {}), "skbaddr");
  CHECK_EQ(pointer_field(kret, {}), "arg1");
  CHECK_EQ(pointer_field(kprobe, {}), "object");
}

TEST(pointer_field_of_several_is_the_one_the_other_events_have) {
  const EventFormat start = format("start", {"void * hrtimer", "void * function", "s64 expires"});
  const EventFormat expire = format("expire", {"void * hrtimer", "void * function"});
  const EventFormat cancel = format("cancel", {"void * hrtimer"});
  CHECK_EQ(pointer_field(start, {&expire, &cancel}), "hrtimer");
  CHECK_EQ(pointer_field(expire, {&start, &cancel}), "hrtimer");
  CHECK_HAS(why(start, {&expire}), "usage: event made:start has several fields");
  CHECK_HAS(why(start, {&expire}), "(hrtimer, function); name one: made:start/ptr=hrtimer/");
  CHECK_HAS(why(start, {}), "several fields");
}

TEST(pointer_field_that_is_not_there_is_said) {
  const EventFormat event = format("switch", {"int prev_pid", "long prev_state", "__data_loc char[] name"});
  CHECK_EQ(why(event, {}),
           "usage: event made:switch has no pointer field; name the field that tells its objects apart, as in "
           "made:switch/ptr=FIELD/; its fields are prev_pid, prev_state");
  const EventFormat two = format("probe", {"unsigned long __probe_ip", "u64 a", "u64 b"});
  CHECK_HAS(why(two, {}), "several fields that may tell its objects apart (a, b)");
  CHECK_HAS(why(format("empty", {}), {}), "has no pointer field");
}
