// What text and JSON listings have in common: looking at entries and checking them.
#include "isa/xdnn/listing.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace workbench::xdnn {

namespace {

const Attribute* attribute(const Entry& entry, std::string_view key) {
  for (const Attribute& a : entry.attributes) {
    if (a.key == key) return &a;
  }
  return nullptr;
}

[[noreturn]] void refuse(const Entry& entry, std::string_view key, std::string_view expected,
                         std::string_view found) {
  constexpr std::size_t kShown = 60;
  fail("{}: {} '{}': field {}: expected {}, found {}", entry.where, entry.opcode, name_of(entry),
       key, expected, found.substr(0, kShown));
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  std::int64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  const bool all = end == text.data() + text.size() && !text.empty() && text[0] != '-';
  if (error != std::errc() || !all) return std::nullopt;
  return negative ? -value : value;
}

std::vector<Field> sorted(std::vector<Field> fields) {
  std::sort(fields.begin(), fields.end(),
            [](const Field& a, const Field& b) { return a.key < b.key; });
  return fields;
}

}  // namespace

const Field* Entry::find(std::string_view key) const {
  for (const Field& field : fields) {
    if (field.key == key) return &field;
  }
  return nullptr;
}

void Entry::set(std::string_view key, std::string value) {
  for (Field& field : fields) {
    if (field.key != key) continue;
    field.value = std::move(value);
    return;
  }
  fields.push_back({std::string(key), std::move(value)});
}

bool same(const Entry& a, const Entry& b) {
  return a.opcode == b.opcode && a.comment == b.comment && a.attributes == b.attributes &&
         sorted(a.fields) == sorted(b.fields);
}

std::string text_attribute(const Entry& entry, std::string_view key) {
  const Attribute* found = attribute(entry, key);
  if (found == nullptr || !found->json.starts_with('"')) return "";
  return nlohmann::json::parse(found->json).get<std::string>();
}

std::string name_of(const Entry& entry) {
  const Field* field = entry.find("name");
  return field != nullptr ? field->value : text_attribute(entry, "name");
}

bool active(const Entry& entry) {
  const Attribute* found = attribute(entry, "active");
  return found == nullptr || (found->json != "0" && found->json != "false");
}

std::int64_t number(const Entry& entry, const Field& field) {
  const std::optional<FieldRule> rule = field_rule(field.key);
  CHECK(rule && !rule->text, "'{}' is no number", field.key);
  const auto value = field.json ? std::nullopt : whole_number(field.value);
  if (!value || *value < rule->low || *value > rule->high) {
    const std::string found = field.value.empty() ? "nothing" : field.value;
    refuse(entry, field.key, fmt::format("a whole number from {} to {}", rule->low, rule->high),
           found);
  }
  return *value;
}

void check(const Entry& entry, Dialect dialect) {
  if (!known_opcode(entry.opcode)) fail("{}: unknown opcode '{}'", entry.where, entry.opcode);
  const bool without_fields = entry.opcode == "XNThroughputInterbuf" && !is_v2(dialect);
  if (template_of(dialect, entry.opcode).empty() && !without_fields) {
    fail("{}: opcode {} does not exist in dialect {}", entry.where, entry.opcode,
         to_string(dialect));
  }
  std::vector<std::string_view> required = required_fields(dialect, entry.opcode);
  required.insert(required.begin(), "id");
  for (const std::string_view key : required) {
    if (entry.find(key) == nullptr) refuse(entry, key, "a value", "none: the field is missing");
  }
  for (const Field& field : entry.fields) {
    const std::optional<FieldRule> rule = field_rule(field.key);
    if (!rule) continue;
    if (!rule->text) {
      number(entry, field);
    } else if (field.json) {
      refuse(entry, field.key, "text", field.value);
    }
  }
}

Listing parse_listing(const std::string& contents, const std::string& name) {
  const std::size_t first = contents.find_first_not_of(" \t\r\n");
  const bool json = first != std::string::npos && contents[first] == '{';
  Listing listing = json ? parse_json(contents, name) : parse_text(contents, name);
  const bool any = std::any_of(listing.entries.begin(), listing.entries.end(),
                               [](const Entry& entry) { return !entry.opcode.empty(); });
  if (!any) fail("{}: expected a program as text or JSON, found no instruction", name);
  return listing;
}

}  // namespace workbench::xdnn
