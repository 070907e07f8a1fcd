#include "format.h"

#include <cstring>

#include "perf/transport.h"
#include "print_format.h"
#include "text.h"

namespace ktop {
namespace {

constexpr uint32_t kMaxRecord = 65536;  // a record is smaller than a ring page; offsets past this are nonsense
constexpr size_t kMaxFields = 1024;

[[noreturn]] void bad_line(const std::string& system, const std::string& name, int line, const char* what) {
  throw Failure(Failure::kInternal, "format of " + system + ":" + (name.empty() ? "?" : name) + ", line " +
                                        std::to_string(line) + ": " + what + "; please report it with that file");
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  for (auto w : words)
    if (w == word) return true;
  return false;
}

// Bytes of one element of a C type as written in a format file; 0 = unknown.
uint32_t type_size(std::string_view type) {
  if (type.find('*') != type.npos) return 8;
  uint32_t size = 0;
  while (!type.empty()) {
    const std::string_view word = take_identifier(type);
    if (word.empty()) {
      type.remove_prefix(1);
      continue;
    }
    if (is_one_of(word, {"char", "u8", "s8", "__u8", "__s8", "uint8_t", "int8_t", "bool", "_Bool"})) size = 1;
    if (is_one_of(word, {"short", "u16", "s16", "__u16", "__s16", "__le16", "__be16", "uint16_t", "int16_t"})) size = 2;
    if (is_one_of(word, {"u32", "s32", "__u32", "__s32", "__le32", "__be32", "uint32_t", "int32_t", "dev_t"})) size = 4;
    if (is_one_of(word, {"int", "unsigned", "signed", "enum"}) && size == 0) size = 4;
    if (is_one_of(word,
                  {"long", "u64", "s64", "__u64", "__s64", "uint64_t", "int64_t", "size_t", "ssize_t", "sector_t"}))
      size = 8;
  }
  return size;
}

// "…; offset:8;" → 8. False when the key is missing or its number is out of bounds.
bool take_number(std::string_view line, std::string_view key, uint32_t limit, uint32_t* out) {
  const size_t at = line.find(key);
  if (at == line.npos) return false;
  uint64_t value = 0;
  size_t i = at + key.size();
  const size_t first = i;
  while (i < line.size() && is_digit(line[i]) && value <= limit) value = value * 10 + (line[i++] - '0');
  if (i == first || value > limit) return false;
  *out = static_cast<uint32_t>(value);
  return true;
}

// `declaration` is what stands between "field:" and ";": type, name, and for arrays "[N]".
bool parse_declaration(std::string_view declaration, Field* field) {
  std::string_view text = trim(declaration);
  std::string_view count;
  bool array = false;
  if (!text.empty() && text.back() == ']') {  // name[16]
    const size_t open = text.rfind('[');
    if (open == text.npos) return false;
    count = trim(text.substr(open + 1, text.size() - open - 2));
    text = trim(text.substr(0, open));
    array = true;
  }
  size_t start = text.size();
  while (start > 0 && is_identifier(text[start - 1])) start--;
  if (start == text.size() || start == 0) return false;  // no name, or no type
  field->name = std::string(text.substr(start));
  field->type = std::string(trim(text.substr(0, start)));
  std::string_view type = field->type;

  if (starts_with(type, "__data_loc ") || starts_with(type, "__rel_loc ")) {
    field->where = type[2] == 'd' ? Field::kDataLoc : Field::kRelLoc;
    type = trim(type.substr(type.find(' ')));
    const size_t bracket = type.find('[');
    const std::string_view element = trim(type.substr(0, bracket));
    field->is_text = element == "char";
    field->element = type_size(element);
    return field->size == 4;
  }
  field->element = field->size;
  if (!array) return true;
  uint32_t n = 0;
  const bool counted = take_number(count, "", kMaxRecord, &n) && n > 0;
  field->element = type_size(type);
  if (counted && field->size % n == 0) field->element = field->size / n;
  field->is_text = type == "char" || type == "const char";
  if (field->is_text) field->element = 1;
  if (field->element == 0 || field->element > field->size) field->element = field->size;
  return true;
}

// Where the bytes of a __data_loc/__rel_loc field lie; false when they are not within the record.
bool locate(const Field& field, const uint8_t* raw, uint32_t size, uint32_t* offset, uint32_t* length) {
  if (field.offset > size || size - field.offset < field.size) {
    if (field.where != Field::kInline || field.offset >= size) return false;
    *offset = field.offset;  // a text cut short by the record's end
    *length = size - field.offset;
    return true;
  }
  *offset = field.offset;
  *length = field.size;
  if (field.where == Field::kInline) return true;
  if (field.size != 4) return false;
  uint32_t word;
  memcpy(&word, raw + field.offset, 4);
  *length = word >> 16;
  *offset = (word & 0xffff) + (field.where == Field::kRelLoc ? field.offset + 4 : 0);
  if (*offset > size) return false;
  if (*length > size - *offset) *length = size - *offset;
  return true;
}

}  // namespace

int64_t read_integer(const Field& field, const uint8_t* raw, uint32_t size) {
  if (field.offset > size || size - field.offset < field.size) return 0;
  const uint8_t* at = raw + field.offset;
  switch (field.size) {
    case 1:
      return field.is_signed ? static_cast<int8_t>(*at) : *at;
    case 2: {
      uint16_t v;
      memcpy(&v, at, 2);
      return field.is_signed ? static_cast<int16_t>(v) : v;
    }
    case 4: {
      uint32_t v;
      memcpy(&v, at, 4);
      return field.is_signed ? static_cast<int32_t>(v) : static_cast<int64_t>(v);
    }
    case 8: {
      uint64_t v;
      memcpy(&v, at, 8);
      return static_cast<int64_t>(v);
    }
    default:
      return 0;
  }
}

std::string_view read_text(const Field& field, const uint8_t* raw, uint32_t size) {
  if (!field.is_text) return {};
  const std::string_view bytes = read_bytes(field, raw, size);
  return bytes.substr(0, bytes.find('\0'));
}

std::string_view read_bytes(const Field& field, const uint8_t* raw, uint32_t size) {
  uint32_t offset, length;
  if (!locate(field, raw, size, &offset, &length)) return {};
  return {reinterpret_cast<const char*>(raw) + offset, length};
}

const Field* EventFormat::find(std::string_view field) const {
  for (const Field& f : fields)
    if (f.name == field) return &f;
  return nullptr;
}

EventFormat parse_format(const std::string& system, std::string_view text) {
  EventFormat format;
  format.system = system;
  bool has_id = false;
  int number = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    number++;
    const size_t end = rest.find('\n');
    const std::string_view line = trim(rest.substr(0, end));
    if (starts_with(line, "print fmt:")) {  // the last item; may hold anything, even line breaks
      format.print = parse_print_format(trim(rest.substr(rest.find("print fmt:") + 10)));
      break;
    }
    rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
    if (starts_with(line, "name:")) {
      format.name = std::string(trim(line.substr(5)));
    } else if (starts_with(line, "ID:")) {
      uint32_t id;
      if (!take_number(trim(line.substr(3)), "", 65535, &id))
        bad_line(system, format.name, number, "ID is no 16-bit number");
      format.type = static_cast<uint16_t>(id);
      has_id = true;
    } else if (starts_with(line, "field:")) {
      Field field;
      uint32_t is_signed = 0;
      const size_t semicolon = line.find(';');
      if (semicolon == line.npos) bad_line(system, format.name, number, "field without ';'");
      const std::string_view attributes = line.substr(semicolon);
      if (!take_number(attributes, "offset:", kMaxRecord, &field.offset) ||
          !take_number(attributes, "size:", kMaxRecord, &field.size))
        bad_line(system, format.name, number, "field without a usable offset and size");
      take_number(attributes, "signed:", 1, &is_signed);
      field.is_signed = is_signed != 0;
      if (!parse_declaration(line.substr(6, semicolon - 6), &field))
        bad_line(system, format.name, number, "field declaration not understood");
      if (format.fields.size() >= kMaxFields) bad_line(system, format.name, number, "too many fields");
      format.fields.push_back(std::move(field));
    }
  }
  if (format.name.empty()) bad_line(system, format.name, number, "no name");
  if (!has_id) bad_line(system, format.name, number, "no ID");
  return format;
}

}  // namespace ktop
