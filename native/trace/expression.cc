#include "expression.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace ktop {
namespace {

constexpr size_t kMaxText = 8192;

Result integer(Value value) {
  Result r;
  r.kind = Result::kInteger;
  r.value = value;
  return r;
}

Result text(std::string s) {
  Result r;
  r.kind = Result::kText;
  r.text = std::move(s);
  return r;
}

Value from_field(const Field& field, const RecordView& record) {
  const int64_t v = read_integer(field, record.raw, record.size);
  return Value::make(static_cast<uint64_t>(v), field.size == 8, !field.is_signed && field.size >= 4);
}

Result field_result(const Expression& e, const RecordView& record) {
  const Field* field = record.format.find(e.text);
  if (!field) return {};
  if (field->is_text) return text(std::string(read_text(*field, record.raw, record.size)));
  if (field->where == Field::kInline && field->element == field->size) return integer(from_field(*field, record));
  Result r;
  r.kind = Result::kBytes;
  r.bytes = read_bytes(*field, record.raw, record.size);
  r.element = field->element ? field->element : 1;
  r.element_signed = field->is_signed;
  return r;
}

// The bytes behind an address: of an array, or with & of any field.
Result address_result(const Expressions& tree, int node, const RecordView& record) {
  const Expression& e = tree[node];
  if (e.kind == Expression::kField) {
    if (const Field* field = record.format.find(e.text)) {
      Result r;
      r.kind = Result::kBytes;
      r.bytes = read_bytes(*field, record.raw, record.size);
      r.element = field->element ? field->element : 1;
      r.element_signed = field->is_signed;
      return r;
    }
  }
  return evaluate(tree, node, record);
}

Result element_at(const Result& array, uint64_t index) {
  if (array.kind == Result::kText) {
    if (index > array.text.size()) return {};
    return integer(Value::make(index < array.text.size() ? static_cast<uint8_t>(array.text[index]) : 0, false, false));
  }
  if (array.kind != Result::kBytes || array.element == 0 || array.element > 8) return {};
  if (index >= array.bytes.size() / array.element) return {};
  uint64_t v = 0;
  memcpy(&v, array.bytes.data() + index * array.element, array.element);
  if (array.element_signed && array.element < 8) {
    const int shift = 64 - 8 * static_cast<int>(array.element);
    v = static_cast<uint64_t>(static_cast<int64_t>(v << shift) >> shift);
  }
  return integer(Value::make(v, array.element == 8, !array.element_signed && array.element >= 4));
}

std::string hex(uint64_t v) {
  char buffer[24];
  snprintf(buffer, sizeof buffer, "0x%" PRIx64, v);
  return buffer;
}

std::string symbolic(const Expression& e, uint64_t v) {
  for (const auto& [value, name] : e.table)
    if (value == v) return name;
  return hex(v);
}

std::string flags(const Expression& e, uint64_t v) {
  std::string out;
  const auto add = [&](const std::string& part) {
    if (!out.empty()) out += e.text;
    if (out.size() < kMaxText) out += part;
  };
  for (const auto& [mask, name] : e.table) {
    if (v == 0) break;
    if ((v & mask) != mask) continue;  // a mask of 0 is shown with whatever else is, as the kernel does
    add(name);
    v &= ~mask;
  }
  if (v) add(hex(v));
  return out;
}

Result bytes_as_hex(const Expressions& tree, const Expression& e, const RecordView& record) {
  const Result data = address_result(tree, e.a, record);
  const Result length = evaluate(tree, e.b, record);
  if (data.kind != Result::kBytes || length.kind != Result::kInteger) return {};
  const size_t n = std::min<uint64_t>({length.value.bits, data.bytes.size(), kMaxText / 3});
  std::string out;
  char buffer[4];
  for (size_t i = 0; i < n; i++) {
    snprintf(buffer, sizeof buffer, "%02x", static_cast<uint8_t>(data.bytes[i]));
    if (i) out += e.text;
    out += buffer;
  }
  return text(std::move(out));
}

Result print_array(const Expressions& tree, const Expression& e, const RecordView& record) {
  Result data = address_result(tree, e.a, record);
  const Result count = evaluate(tree, e.b, record);
  const Result size = evaluate(tree, e.c, record);
  if (data.kind != Result::kBytes || count.kind != Result::kInteger || size.kind != Result::kInteger) return {};
  if (size.value.bits == 0 || size.value.bits > 8) return {};
  data.element = static_cast<uint32_t>(size.value.bits);
  data.element_signed = false;
  std::string out = "{";
  for (uint64_t i = 0; i < count.value.bits && out.size() < kMaxText; i++) {
    const Result item = element_at(data, i);
    if (item.kind != Result::kInteger) break;
    out += (i ? "," : "") + hex(item.value.bits);
  }
  return text(out + "}");
}

Result evaluate_binary(const Expressions& tree, const Expression& e, const RecordView& record) {
  const Result a = evaluate(tree, e.a, record);
  if (a.kind != Result::kInteger) return {};
  const bool is_and = e.op == twin('&', '&'), is_or = e.op == twin('|', '|');
  if ((is_and && a.value.bits == 0) || (is_or && a.value.bits != 0)) return integer(Value::make(is_or, false, false));
  const Result b = evaluate(tree, e.b, record);
  Value out;
  if (b.kind != Result::kInteger || !apply_binary(e.op, a.value, b.value, &out)) return {};
  return integer(out);
}

Result cast(const Expression& e, Result inner) {
  if (e.kind == Expression::kPointerCast) {
    if (inner.kind == Result::kBytes && e.element) {
      inner.element = e.element;
      inner.element_signed = e.is_signed;
    }
    return inner;
  }
  if (inner.kind != Result::kInteger) return inner;
  uint64_t v = inner.value.bits;
  if (e.element < 8) {
    const int shift = 64 - 8 * e.element;
    v = e.is_signed ? static_cast<uint64_t>(static_cast<int64_t>(v << shift) >> shift) : v << shift >> shift;
  }
  return integer(Value::make(v, e.element == 8, !e.is_signed && e.element >= 4));
}

}  // namespace

Result evaluate(const Expressions& tree, int node, const RecordView& record) {
  if (node < 0) return {};
  const Expression& e = tree[node];
  switch (e.kind) {
    case Expression::kUnknown:
      return {};
    case Expression::kNumber:
      return integer(e.value);
    case Expression::kText:
      return text(e.text);
    case Expression::kField:
      return field_result(e, record);
    case Expression::kFieldLength: {
      const Field* field = record.format.find(e.text);
      if (!field) return {};
      return integer(Value::make(read_bytes(*field, record.raw, record.size).size(), false, false));
    }
    case Expression::kUnary: {
      if (e.op == '&') return address_result(tree, e.a, record);
      const Result a = evaluate(tree, e.a, record);
      return a.kind == Result::kInteger ? integer(apply_unary(static_cast<char>(e.op), a.value)) : Result();
    }
    case Expression::kBinary:
      return evaluate_binary(tree, e, record);
    case Expression::kTernary: {
      const Result a = evaluate(tree, e.a, record);
      if (a.kind == Result::kUnknown) return {};
      const bool is_true = a.kind != Result::kInteger || a.value.bits != 0;
      return evaluate(tree, is_true ? e.b : e.c, record);
    }
    case Expression::kCast:
      return cast(e, evaluate(tree, e.a, record));
    case Expression::kPointerCast:
      return cast(e, evaluate(tree, e.a, record));
    case Expression::kIndex: {
      const Result index = evaluate(tree, e.b, record);
      if (index.kind != Result::kInteger) return {};
      return element_at(evaluate(tree, e.a, record), index.value.bits);
    }
    case Expression::kDereference:
      return element_at(evaluate(tree, e.a, record), 0);
    case Expression::kSymbolic:
    case Expression::kFlags: {
      const Result a = evaluate(tree, e.a, record);
      if (a.kind != Result::kInteger) return {};
      return text(e.kind == Expression::kSymbolic ? symbolic(e, a.value.bits) : flags(e, a.value.bits));
    }
    case Expression::kHex:
      return bytes_as_hex(tree, e, record);
    case Expression::kArray:
      return print_array(tree, e, record);
    case Expression::kMask: {
      const Field* field = record.format.find(e.text);
      return field ? text(list_bits(read_bytes(*field, record.raw, record.size))) : Result();
    }
    case Expression::kSeconds: {
      const Result a = evaluate(tree, e.a, record);
      if (a.kind != Result::kInteger) return {};
      char buffer[48];
      snprintf(buffer, sizeof buffer, "%" PRIu64 ".%09" PRIu64, a.value.bits / 1000000000, a.value.bits % 1000000000);
      return text(buffer);
    }
  }
  return {};
}

bool mentions(const Expressions& tree, int node, std::string_view field) {
  if (node < 0) return false;
  const Expression& e = tree[node];
  if (e.kind == Expression::kField && e.text == field) return true;
  return mentions(tree, e.a, field) || mentions(tree, e.b, field) || mentions(tree, e.c, field);
}

int find_table(const Expressions& tree, int node, std::string_view field) {
  if (node < 0) return -1;
  const Expression& e = tree[node];
  if (e.kind == Expression::kSymbolic || e.kind == Expression::kFlags) return mentions(tree, e.a, field) ? node : -1;
  for (int child : {e.a, e.b, e.c}) {
    const int found = find_table(tree, child, field);
    if (found >= 0) return found;
  }
  return -1;
}

std::string list_bits(std::string_view mask) {
  std::string out;
  const size_t bits = std::min<size_t>(mask.size(), 1024) * 8;
  const auto set = [&](size_t i) { return i < bits && (static_cast<uint8_t>(mask[i / 8]) >> (i % 8) & 1); };
  for (size_t i = 0; i < bits; i++) {
    if (!set(i)) continue;
    size_t last = i;
    while (set(last + 1)) last++;
    if (!out.empty()) out += ',';
    out += std::to_string(i);
    if (last > i) out += '-' + std::to_string(last);
    i = last;
  }
  return out;
}

}  // namespace ktop
