#include "isa/xdnn/listing.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"

namespace workbench::xdnn {

// --- templates -----------------------------------------------------------------------------------

// The fields of every opcode in every dialect (docs/facts/xdnn.md 2.2, 2.4, 2.5), as tables.

namespace {

// A template is words; {x} is the group of that name in the dialect.
struct Row {
  std::string_view opcodes, words;
};
struct Group {
  std::string_view name, words;
};

constexpr std::string_view kConv =
    "name kernel_w kernel_h strides_w strides_h padding_w padding_h dilation_w dilation_h preshift "
    "scale postshift relu {prelu} bias inaddr insize_w insize_h inchan outaddr outsize_w outsize_h "
    "outchan {tail}";
constexpr std::string_view kMaxPool =
    "name kernel_w kernel_h strides_w strides_h paddings_w paddings_h inaddr insize_w insize_h "
    "inchan outaddr outsize_w outsize_h {pool_tail}";
constexpr std::string_view kAveragePool =
    "name kernel_w kernel_h strides_w strides_h paddings_w paddings_h {fcmode} inaddr insize_w "
    "insize_h inchan outaddr outsize_w outsize_h {pool_tail}";
constexpr std::string_view kEltwise =
    "name add bn relu {prelu} inaddrA inaddrB insize_w insize_h inchan outaddr {pool_tail} "
    "{second}";
constexpr std::string_view kGather =
    "uram_dest ddr_src insize_w insize_h inchan a0 b1 c1 start_row end_row {layout} {from_queue}";
constexpr std::string_view kScatter =
    "uram_src ddr_dest outsize_w outsize_h outchan a0 b1 c1 start_row end_row {layout} {to_queue}";
constexpr std::string_view kConcat = "name start end size {concat}";
constexpr std::string_view kUpload = "inaddr insize inchan";
constexpr std::string_view kUpsample =
    "name kernel_h kernel_w inaddr insize_h insize_w inchan outaddr outsize_w outsize_h method "
    "{pool_tail}";
constexpr std::string_view kFusedConv =
    "conv_name conv_kernel_w conv_kernel_h conv_strides_w conv_strides_h conv_padding_w "
    "conv_padding_h conv_dilation_w conv_dilation_h conv_relu {conv_prelu} conv_bias pool_insize_w "
    "pool_insize_h pool_inchan {conv_outsize}";

constexpr std::array kV2Rows = {
    Row{"XNConv XNDeconv", kConv}, Row{"XNMaxPool", kMaxPool}, Row{"XNAvgPool", kAveragePool},
    Row{"XNEltwise", kEltwise},    Row{"XNGather", kGather},   Row{"XNScatter", kScatter},
    Row{"XNUpload", kUpload},      Row{"XNConcat", kConcat},
};
constexpr std::array kV3Rows = {
    Row{"XNConv XNDeconv", kConv},
    Row{"XNMaxPool", kMaxPool},
    Row{"XNAvgPool", kAveragePool},
    Row{"XNMaxPoolPipelined", "{max_pool} {fused_conv}"},
    Row{"XNAvgPoolPipelined", "{average_pool} {fused_conv}"},
    Row{"XNEltwise", kEltwise},
    Row{"XNUpsample", kUpsample},
    Row{"XNGather", kGather},
    Row{"XNScatter", kScatter},
    Row{"XNUpload", kUpload},
    Row{"XNConcat", kConcat},
    Row{"XNThroughputInterbuf", ""},  // a name, and no line
};

// The control tail, common to all V3 dialects up to the words in braces.
constexpr std::string_view kRepl =
    "{weights} slice src_full_sect_num src_repl_sect_num src_repl_unit_num src_repl_unit_width "
    "dst_full_sect_num dst_repl_sect_num dst_repl_unit_num dst_repl_unit_width "
    "concat_i_am_your_father concat_full_sect_num concat_repl_sect_num concat_repl_unit_num "
    "concat_repl_unit_width concat_starting_ch {concat_channels} wait_download wait_upload "
    "wait_conv wait_pool wait_ew wait_upsmpl {parallel_read} prerelu en_pingpong_weight "
    "en_halfrate_mode en_inlinemaxpool {flags} tile_width tile_height HAT SRCAM-Buffer_0 "
    "SRCAM-Buffer_1";
constexpr std::string_view kLayout =
    "slice full_sect_num repl_sect_num repl_unit_num repl_unit_width";
constexpr std::string_view kFlags = "srcAddrReadFromImgQ destAddrReadFromImgQ srcAddDDR dstAddDDR";

constexpr std::array kCommonGroups = {
    Group{"max_pool", kMaxPool},
    Group{"average_pool", kAveragePool},
    Group{"fused_conv", kFusedConv},
    Group{"repl", kRepl},
};
constexpr std::array kV3Groups = {
    Group{"tail", "{repl} {conv_offset}"},
    Group{"pool_tail", "{repl} DEST_AM-Buffer_Offset"},
    Group{"second", "EWA_2nd-Src_AM"},
    Group{"layout", kLayout},
    Group{"concat", "dst_full_sect_num dst_repl_sect_num dst_repl_unit_num dst_repl_unit_width"},
};

struct Definition {
  std::span<const Row> rows;
  std::vector<Group> groups;
};

Definition definition_of(Dialect dialect) {
  Definition d{kV3Rows, {kCommonGroups.begin(), kCommonGroups.end()}};
  const auto add = [&](std::initializer_list<Group> more) {
    d.groups.insert(d.groups.end(), more.begin(), more.end());
  };
  if (is_v2(dialect)) {
    d.rows = kV2Rows;
    add({{"tail", "Bypass_Perf_Opt"}, {"pool_tail", "Bypass_Perf_Opt"}, {"fcmode", "fcmode"}});
    if (dialect == Dialect::V2) {
      add({{"layout", "slice"},
           {"from_queue", "srcAddrReadFromImgQ"},
           {"to_queue", "destAddrReadFromImgQ"}});
    }
    return d;
  }
  d.groups.insert(d.groups.end(), kV3Groups.begin(), kV3Groups.end());
  if (dialect == Dialect::V3) add({{"weights", "weights_bit"}, {"fcmode", "fcmode"}});
  if (dialect == Dialect::V3 || dialect == Dialect::V3Json) {
    add({{"prelu", "prelu"},
         {"conv_prelu", "conv_prelu"},
         {"conv_outsize", "conv_outsize_w"},
         {"concat_channels", "concat_channels"},
         {"flags", kFlags},
         {"conv_offset", "DEST_AM-Buffer_Offset"}});
  }
  if (dialect != Dialect::V3First) {
    add({{"parallel_read", "parallel_read"},
         {"from_queue", "srcAddrReadFromImgQ"},
         {"to_queue", "destAddrReadFromImgQ"}});
  }
  return d;
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> list;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) list.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return list;
}

void expand(std::string_view text, const Definition& definition,
            std::vector<std::string_view>& fields) {
  for (const std::string_view word : words(text)) {
    if (word[0] != '{') {
      fields.push_back(word);
      continue;
    }
    const std::string_view name = word.substr(1, word.size() - 2);
    for (const Group& group : definition.groups) {
      if (group.name == name) expand(group.words, definition, fields);
    }
  }
}

using Templates = std::map<std::string_view, std::vector<std::string_view>>;

constexpr std::size_t kDialects = std::size(kDialectNames);

std::array<Templates, kDialects> make_all() {
  std::array<Templates, kDialects> all;
  for (std::size_t i = 0; i < kDialects; ++i) {
    const Definition definition = definition_of(static_cast<Dialect>(i));
    for (const Row& row : definition.rows) {
      std::vector<std::string_view> fields;
      expand(row.words, definition, fields);
      for (const std::string_view opcode : words(row.opcodes)) all[i][opcode] = fields;
    }
  }
  return all;
}

const std::array<Templates, kDialects>& all_templates() {
  static const auto all = make_all();
  return all;
}

std::set<std::string_view> make_keys() {
  std::set<std::string_view> keys{"id"};
  for (const Templates& templates : all_templates()) {
    for (const auto& [opcode, fields] : templates) keys.insert(fields.begin(), fields.end());
  }
  return keys;
}

bool one_of(std::string_view key, std::string_view list) {
  const auto all = words(list);
  return std::find(all.begin(), all.end(), key) != all.end();
}

}  // namespace

std::string_view to_string(Dialect dialect) {
  return kDialectNames[static_cast<std::size_t>(dialect)];
}

Dialect dialect_called(std::string_view name, const std::string& where) {
  for (std::size_t i = 0; i < kDialects; ++i) {
    if (kDialectNames[i] == name) return static_cast<Dialect>(i);
  }
  fail("{}: expected a dialect ({}), found '{}'", where, fmt::join(kDialectNames, ", "), name);
}

bool is_v2(Dialect dialect) { return dialect == Dialect::V2 || dialect == Dialect::V2First; }

std::span<const std::string_view> template_of(Dialect dialect, std::string_view opcode) {
  const Templates& templates = all_templates()[static_cast<std::size_t>(dialect)];
  const auto found = templates.find(opcode);
  if (found == templates.end()) return {};
  return found->second;
}

bool known_opcode(std::string_view opcode) {
  const auto& all = all_templates();
  return std::any_of(all.begin(), all.end(),
                     [&](const Templates& templates) { return templates.contains(opcode); });
}

std::vector<std::string_view> required_fields(Dialect dialect, std::string_view opcode) {
  const auto first = template_of(dialect, opcode);
  std::vector<std::string_view> required(first.begin(), first.end());
  for (std::size_t i = 0; i < kDialects; ++i) {
    const auto other = static_cast<Dialect>(i);
    if (is_v2(other) != is_v2(dialect)) continue;
    const auto fields = template_of(other, opcode);
    std::erase_if(required, [&](std::string_view key) {
      return std::find(fields.begin(), fields.end(), key) == fields.end();
    });
  }
  return required;
}

std::optional<FieldRule> field_rule(std::string_view key) {
  static const std::set<std::string_view> keys = make_keys();
  if (!keys.contains(key)) return std::nullopt;
  constexpr std::int64_t kSide = 65535, kAddress = std::int64_t{1} << 40;
  if (one_of(key, "name conv_name method")) return FieldRule{.text = true};
  if (key.starts_with("wait_") || key.starts_with("en_") || key.find("ReadFromImgQ") != key.npos ||
      one_of(key,
             "relu prelu bias add bn conv_relu conv_prelu conv_bias concat_i_am_your_father "
             "parallel_read prerelu srcAddDDR dstAddDDR HAT")) {
    return FieldRule{.low = 0, .high = 1};
  }
  if (key == "DEST_AM-Buffer_Offset") return FieldRule{.low = -1, .high = kAddress};
  if (key == "id" || key.find("addr") != key.npos || key.find("AM") != key.npos ||
      key.starts_with("uram_") || key.starts_with("ddr_") || one_of(key, "insize start end size")) {
    return FieldRule{.low = 0, .high = kAddress};
  }
  const bool positive = key.find("kernel") != key.npos || key.find("strides") != key.npos ||
                        key.find("dilation") != key.npos || key.find("chan") != key.npos ||
                        (key.find("size") != key.npos && key != "conv_outsize_w");
  return FieldRule{.low = positive && key != "concat_channels" ? 1 : 0, .high = kSide};
}

// --- entries -------------------------------------------------------------------------------------

// What text and JSON listings have in common: looking at entries and checking them.

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
  line = false;
  for (Field& field : fields) {
    if (field.key != key) continue;
    field.value = std::move(value);
    field.integer = false;
    return;
  }
  fields.push_back({std::string(key), std::move(value)});
}

bool same(const Entry& a, const Entry& b) {
  return a.opcode == b.opcode && a.comment == b.comment && a.attributes == b.attributes &&
         a.line == b.line && sorted(a.fields) == sorted(b.fields);
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

bool executed(const Entry& entry) {
  return !entry.opcode.empty() && active(entry) &&
         !one_of(entry.opcode, "XNConcat XNThroughputInterbuf");
}

void check(const Entry& entry, Dialect dialect) {
  if (!active(entry)) return;
  if (!known_opcode(entry.opcode)) fail("{}: unknown opcode '{}'", entry.where, entry.opcode);
  const bool without_fields = entry.opcode == "XNThroughputInterbuf" && !is_v2(dialect);
  if (without_fields) return;
  if (template_of(dialect, entry.opcode).empty()) {
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

// --- the crossbar table --------------------------------------------------------------------------

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
