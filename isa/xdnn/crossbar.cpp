#include "isa/xdnn/crossbar.h"

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace workbench::xdnn {

namespace {

using Json = nlohmann::json;

// A table entry moves 32 output channels, in four groups of 8, to 12 groups of 8 bytes of the word:
// one byte per destination, one bit per source group, 0: not written. That reading is inferred from
// the one program that has a table, where it gives every concat part its place.
constexpr std::int64_t kGroupBytes = 8;

std::uint64_t setting(const Json& row, const char* key, const Entry& entry) {
  std::uint64_t value = 0;
  const auto found = row.is_object() ? row.find(key) : row.end();
  if (row.is_object() && found != row.end() && found->is_string()) {
    const auto text = found->get<std::string>();
    const char* const end = text.data() + text.size();
    if (text.starts_with("0x") && std::from_chars(text.data() + 2, end, value, 16).ptr == end) {
      return value;
    }
  }
  fail("{}: {} '{}': the crossbar table has no {} for it", entry.where, entry.opcode,
       name_of(entry), key);
}

}  // namespace

std::optional<std::int64_t> crossbar_start(const Listing& listing, const Entry& entry) {
  const Attribute* table = nullptr;
  for (const Attribute& a : listing.attributes) {
    if (a.key == "xbar") table = &a;
  }
  std::uint64_t pointer = 0;  // iterations << 24 | last << 12 | first
  for (const char* key : {"override_xbar_table_ptr_0", "override_xbar_table_ptr_1"}) {
    const Field* field = entry.find(key);
    if (field == nullptr || pointer != 0) continue;
    const char* const end = field->value.data() + field->value.size();
    if (std::from_chars(field->value.data(), end, pointer).ptr != end) {
      fail("{}: {} '{}': field {}: expected a whole number, found {}", entry.where, entry.opcode,
           name_of(entry), key, field->value);
    }
  }
  if (table == nullptr || pointer == 0) return std::nullopt;
  const Json rows = Json::parse(table->json);
  const std::size_t first = pointer & 0xfff;
  if (!rows.is_array() || first >= rows.size()) {
    fail("{}: {} '{}': no crossbar entry {}", entry.where, entry.opcode, name_of(entry), first);
  }
  constexpr std::array kSettings = {"setting_0_3", "setting_4_7", "setting_8_11"};
  for (std::size_t i = 0; i < kSettings.size(); ++i) {
    const std::uint64_t value = setting(rows[first], kSettings[i], entry);
    for (std::size_t group = 0; group < 4; ++group) {
      if ((value >> (8 * group) & 1) != 0) {  // takes the first 8 channels; others may wrap round
        return static_cast<std::int64_t>(4 * i + group) * kGroupBytes;
      }
    }
  }
  return std::nullopt;
}

}  // namespace workbench::xdnn
