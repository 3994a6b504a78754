#include "isa/xdnn/listing_text.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/json_fault.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/listing_line.h"

namespace workbench::xdnn {

// --- JSON ----------------------------------------------------------------------------------------

// Listings as JSON (docs/facts/xdnn.md 2.5). Values other than xdnn_kv stay compact JSON text: what
// is not understood is kept.

namespace {

using Json = nlohmann::ordered_json;

// The library keeps the last of several values of a key, silently.
class Guard {
 public:
  explicit Guard(const std::string& where) : where_(where) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    const auto level = static_cast<std::size_t>(depth);
    if (keys_.size() <= level + 1) keys_.resize(level + 2);
    if (event == Json::parse_event_t::object_start) keys_[level + 1].clear();
    if (event == Json::parse_event_t::key) {
      const auto key = parsed.get<std::string>();
      if (!keys_[level].insert(key).second) {
        fail("{}: key '{}' stands twice in one object", where_, key);
      }
    }
    return true;
  }

 private:
  const std::string& where_;
  std::vector<std::set<std::string>> keys_;  // of the open object at each depth
};

Json parse(std::string_view text, const std::string& where) {
  check_json_depth(text, where);
  try {
    return Json::parse(
        text.begin(), text.end(),
        [guard = Guard(where)](int depth, Json::parse_event_t event, const Json& parsed) mutable {
          return guard(depth, event, parsed);
        });
  } catch (const Json::exception& error) {
    std::string what = error.what();
    what.erase(0,
               std::min(what.find("] ") + 2, what.size()));  // "[json.exception.parse_error.101] "
    fail("{}: not valid JSON: {}", where, what);
  }
}

std::vector<Attribute> attributes_of(const Json& object) {
  std::vector<Attribute> attributes;
  for (const auto& [key, value] : object.items()) attributes.push_back({key, value.dump()});
  return attributes;
}

Field field_of(const std::string& key, const Json& value) {
  if (value.is_string()) return {key, value.get<std::string>()};
  const bool integer = value.is_number_integer();
  return {key, value.dump(), !integer, integer};
}

bool has_opcode(const Json& kv) {
  const auto found = kv.is_object() ? kv.find("XNOp") : kv.end();
  return kv.is_object() && found != kv.end() && found->is_string() &&
         !found->get<std::string>().empty();
}

void read_fields(const Json& kv, Entry& entry) {
  for (const auto& [key, value] : kv.items()) {
    if (key != "XNOp") {
      entry.fields.push_back(field_of(key, value));
    } else {
      entry.opcode = value.get<std::string>();
    }
  }
}

std::string json_string(const std::string& text, const std::string& where) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    fail("{}: '{}' is not UTF-8, which JSON needs", where, text);
  }
}

std::string json_text(const std::vector<Attribute>& attributes, const std::string& where) {
  std::string text;
  for (const Attribute& a : attributes) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", json_string(a.key, where), a.json);
  }
  return "{" + text + "}";
}

std::string kv_text(const Entry& entry) {
  std::vector<Attribute> object{{"XNOp", json_string(entry.opcode, entry.where)}};
  for (const Field& field : entry.fields) {
    const bool bare = field.json || field.integer;
    object.push_back({field.key, bare ? field.value : json_string(field.value, entry.where)});
  }
  return json_text(object, entry.where);
}

std::size_t dissimilarity(const Entry& entry, Dialect dialect) {
  const auto fields = template_of(dialect, entry.opcode);
  std::size_t common = 0;
  for (const std::string_view key : fields) common += entry.find(key) != nullptr ? 1 : 0;
  return fields.size() + entry.fields.size() - 2 * common;
}

// The vendor's text of an active entry's instruction, as files of version 0.1.4 have it alone;
// empty: there is none, or a comment.
std::string line_of(const Entry& entry) {
  const std::string text = text_attribute(entry, "xdnn_instr");
  const auto words = tokens(text);
  const bool instruction =
      !words.empty() && !words[0].starts_with('#') &&
      (words[0].starts_with("XN") || (words.size() > 1 && words[1].starts_with("XN")));
  return instruction && active(entry) ? std::string(trimmed(text)) : "";
}

// Adds the instruction that the entry has as text.
void add_line(const std::string& line, Dialect dialect, Entry& entry) {
  const LineParts parts = parts_of(line, entry.where);
  if (!known_opcode(parts.opcode)) fail("{}: unknown opcode '{}'", entry.where, parts.opcode);
  read_line(parts, template_for(parts, dialect), dialect, entry);
  entry.line = true;
}

// The dialect whose templates fit best; the newer of equals. Texts count where there is nothing
// else.
Dialect closest_dialect(const Listing& listing) {
  std::vector<const Entry*> entries;
  std::vector<std::string> lines;
  for (const Entry& entry : listing.entries) {
    if (!entry.opcode.empty() && !entry.line) {
      entries.push_back(&entry);
    } else if (std::string line = line_of(entry); !line.empty()) {
      lines.push_back(std::move(line));
    }
  }
  if (entries.empty()) return dialect_of_lines({lines.begin(), lines.end()});
  Dialect best = Dialect::V3;
  std::size_t least = SIZE_MAX;
  for (std::size_t i = 0; i < std::size(kDialectNames); ++i) {
    std::size_t total = 0;
    for (const Entry* entry : entries) total += dissimilarity(*entry, static_cast<Dialect>(i));
    if (total < least) least = total, best = static_cast<Dialect>(i);
  }
  return best;
}

// An object as a list of attributes. Throws Error "WHERE: not valid JSON: ...", or naming a
// repeated key, too deep nesting, or a root that is no object.
std::vector<Attribute> json_object(std::string_view text, const std::string& where) {
  const Json root = parse(text, where);
  if (!root.is_object()) fail("{}: expected a JSON object, found {}", where, root.type_name());
  return attributes_of(root);
}

bool has_key(const std::vector<Attribute>& attributes, std::string_view key) {
  return std::any_of(attributes.begin(), attributes.end(),
                     [&](const Attribute& a) { return a.key == key; });
}

// The inverse of json_entry(): every key is kept.
Entry entry_from_json(const std::vector<Attribute>& object, const std::string& where) {
  Entry entry{.where = where};
  std::optional<Json> kv;
  for (const Attribute& a : object) {
    Json value = Json::parse(a.json);
    const bool empty = value.is_null() || (value.is_object() && value.empty());
    if (a.key == "comment" && value.is_string() && !value.get<std::string>().empty()) {
      entry.comment = value.get<std::string>();
      continue;
    }
    entry.attributes.push_back(a);
    if (a.key == "xdnn_kv" && !empty) kv = std::move(value);
  }
  if (!kv || (!active(entry) && !has_opcode(*kv))) return entry;
  if (!kv->is_object()) fail("{}: xdnn_kv: expected an object, found {}", where, kv->type_name());
  if (!has_opcode(*kv)) fail("{}: xdnn_kv: field XNOp: expected an opcode, found none", where);
  read_fields(*kv, entry);
  std::erase_if(entry.attributes, [](const Attribute& a) { return a.key == "xdnn_kv"; });
  return entry;
}

// Its keys beside the instruction's fields: of an entry whose fields are written as such, no other
// form of them.
std::vector<Attribute> other_keys(const Entry& entry) {
  std::vector<Attribute> keys = entry.attributes;
  if (!entry.opcode.empty() && !entry.line) {
    std::erase_if(keys, [](const Attribute& a) { return a.key == "xdnn_kv"; });
  }
  return keys;
}

std::vector<Attribute> json_entry(const Entry& entry) {
  std::vector<Attribute> object = other_keys(entry);
  if (!entry.comment.empty()) {
    object.push_back({"comment", json_string(entry.comment, entry.where)});
  }
  if (!entry.opcode.empty() && !entry.line) object.push_back({"xdnn_kv", kv_text(entry)});
  return object;
}

}  // namespace

namespace {

// As hazards count it.
void number(Entry& entry, int instruction) {
  entry.where += fmt::format(" (instruction {})", instruction);
}

}  // namespace

Listing parse_json(const std::string& json, const std::string& name) {
  Listing listing;
  Json network;
  std::optional<Dialect> named;
  for (Attribute& a : json_object(json, name)) {
    if (a.key == "network") {
      network = Json::parse(a.json);
      continue;
    }
    if (a.key == "dialect") {  // ours: the vendor's files are recognised by their fields
      const Json value = Json::parse(a.json);
      named = dialect_called(value.is_string() ? value.get<std::string>() : a.json, name);
    }
    listing.attributes.push_back(std::move(a));
  }
  if (!network.is_array()) fail("{}: key network: expected a list of entries, found none", name);
  for (std::size_t i = 0; i < network.size(); ++i) {
    const std::string where = fmt::format("{}: network[{}]", name, i);
    if (!network[i].is_object()) {
      fail("{}: expected an object, found {}", where, network[i].type_name());
    }
    listing.entries.push_back(entry_from_json(attributes_of(network[i]), where));
  }
  listing.dialect = named ? *named : closest_dialect(listing);
  int instructions = 0;
  for (Entry& entry : listing.entries) {
    const std::string line = entry.opcode.empty() ? line_of(entry) : "";
    if (!line.empty()) add_line(line, listing.dialect, entry);
    if (executed(entry)) number(entry, instructions++);
    if (!entry.opcode.empty()) check(entry, listing.dialect);
  }
  return listing;
}

std::string print_json(const Listing& listing) {
  std::string text = "{\n";
  const bool found = closest_dialect(listing) == listing.dialect;
  if (!found && !has_key(listing.attributes, "dialect")) {
    text += fmt::format("\"dialect\":\"{}\",\n", to_string(listing.dialect));
  }
  for (const Attribute& a : listing.attributes) {
    text += fmt::format("{}:{},\n", json_string(a.key, "key"), a.json);
  }
  text += "\"network\":[";
  for (std::size_t i = 0; i < listing.entries.size(); ++i) {
    const Entry& entry = listing.entries[i];
    text += fmt::format("{}\n{}", i == 0 ? "" : ",", json_text(json_entry(entry), entry.where));
  }
  return text + "\n]\n}\n";
}

// --- text ----------------------------------------------------------------------------------------

// Listings as text (docs/facts/xdnn.md 2.2, 2.4); the comments that only we read are described in
// listing.h.

namespace {

enum class LineKind {
  Empty,
  Instruction,
  Comment,
  Dialect,
  Template,
  Keys,
  KeysOfText,
  NoInstruction,
  File
};

LineKind kind_of(std::string_view line) {
  if (line.empty()) return LineKind::Empty;
  if (line[0] != '#') return LineKind::Instruction;
  if (line.starts_with("#:")) return LineKind::Keys;
  if (line.starts_with("#;")) return LineKind::KeysOfText;
  if (line.starts_with("#=")) return LineKind::NoInstruction;
  if (line.starts_with("#!")) return LineKind::File;
  const auto words = tokens(line);
  if (words.size() > 1 && words[0] == "#" && words[1] == "dialect") return LineKind::Dialect;
  if (words.size() > 3 && words[0] == "#" && words[1] == "template" && known_opcode(words[3])) {
    return LineKind::Template;
  }
  return LineKind::Comment;
}

struct Line {
  std::string_view text;  // trimmed
  std::size_t number = 0;
  LineKind kind = LineKind::Empty;
};

std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    lines.push_back({line, number, kind_of(line)});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

class TextParser {
 public:
  TextParser(const std::string& text, const std::string& name)
      : name_(name), lines_(lines_of(text)) {}

  Listing run() {
    listing_.dialect = dialect();
    for (const Line& line : lines_) read(line);
    if (!pending_.empty())
      fail("{}: JSON keys of an instruction, but none follows", pending_where_);
    return std::move(listing_);
  }

 private:
  std::string where(const Line& line) const { return fmt::format("{}:{}", name_, line.number); }

  // As named, or the one that most lines fit; the newer of equals.
  Dialect dialect() const {
    for (const Line& line : lines_) {
      if (line.kind != LineKind::Dialect) continue;
      return dialect_called(trimmed(line.text.substr(line.text.find("dialect") + 7)), where(line));
    }
    std::vector<std::string_view> instructions;
    for (const Line& line : lines_) {
      if (line.kind == LineKind::Instruction) instructions.push_back(line.text);
    }
    return dialect_of_lines(instructions);
  }

  void read(const Line& line) {
    switch (line.kind) {
      case LineKind::Empty:
      case LineKind::Dialect:
        return;
      case LineKind::Instruction:
        return instruction(line);
      case LineKind::Comment:
        listing_.entries.push_back({.where = where(line), .comment = std::string(line.text)});
        return;
      case LineKind::Template:
        return define_template(line);
      case LineKind::Keys:
      case LineKind::KeysOfText:
        if (!pending_.empty()) fail("{}: JSON keys of an instruction, twice", where(line));
        pending_ = json_object(line.text.substr(2), where(line));
        pending_where_ = where(line);
        pending_text_ = line.kind == LineKind::KeysOfText;
        return;
      case LineKind::NoInstruction:
        return no_instruction(line);
      case LineKind::File:
        if (!listing_.attributes.empty()) fail("{}: JSON keys of the file, twice", where(line));
        listing_.attributes = json_object(line.text.substr(2), where(line));
        if (has_key(listing_.attributes, "network")) fail("{}: key network in text", where(line));
        return check_dialect(line);
    }
  }

  // Named twice, where the JSON form names it.
  void check_dialect(const Line& line) const {
    for (const Attribute& a : listing_.attributes) {
      const auto name = fmt::format("\"{}\"", to_string(listing_.dialect));
      if (a.key == "dialect" && a.json != name) {
        fail("{}: key dialect: expected {}, found {}", where(line), name, a.json);
      }
    }
  }

  void define_template(const Line& line) {
    const auto words = tokens(line.text);
    LineTemplate fields;
    for (std::size_t i = 4; i < words.size() && words[i] != "#"; ++i) {
      fields.push_back(unescaped(words[i]));
    }
    const std::set<std::string> distinct(fields.begin(), fields.end());
    if (distinct.size() != fields.size() || distinct.contains("id") || distinct.contains("XNOp")) {
      fail("{}: template of {}: a field stands twice", where(line), words[3]);
    }
    templates_[std::string(words[3])] = std::move(fields);
  }

  void no_instruction(const Line& line) {
    const Entry entry = entry_from_json(json_object(line.text.substr(2), where(line)), where(line));
    if (!entry.opcode.empty()) {
      fail("{}: expected an entry without instruction, found {}", where(line), entry.opcode);
    }
    listing_.entries.push_back(entry);
  }

  void instruction(const Line& line) {
    const std::string at = where(line);
    const LineParts parts = parts_of(line.text, at);
    if (has_key(pending_, "comment") && !parts.comment.empty()) fail("{}: two comments", at);
    Entry entry = entry_from_json(std::exchange(pending_, {}), at);
    if (!entry.opcode.empty()) fail("{}: key xdnn_kv beside the instruction's own fields", at);
    const std::string opcode = unescaped(parts.opcode);
    if (!known_opcode(opcode) && active(entry)) fail("{}: unknown opcode '{}'", at, opcode);
    const auto own = templates_.find(opcode);
    LineTemplate fields =
        own != templates_.end() ? own->second : template_for(parts, listing_.dialect);
    fit_fcmode(parts, fields);
    read_line(parts, fields, listing_.dialect, entry);
    if (!parts.comment.empty()) entry.comment = std::string(parts.comment);
    for (const std::string_view extra : parts.extras) add_extra(extra, entry);
    entry.line = std::exchange(pending_text_, false) && is_its_text(entry);
    if (executed(entry)) number(entry, instructions_++);
    check(entry, listing_.dialect);
    listing_.entries.push_back(std::move(entry));
  }

  // Key xdnn_instr says the same as the fields.
  bool is_its_text(const Entry& entry) const {
    Entry text{.where = entry.where, .attributes = entry.attributes};
    const std::string line = line_of(text);
    if (line.empty()) return false;
    add_line(line, listing_.dialect, text);
    text.comment = entry.comment;
    text.line = entry.line;
    return same(text, entry);
  }

  // key=value, key:=JSON, or key: of a field whose value is a JSON number.
  static void add_extra(std::string_view extra, Entry& entry) {
    const std::size_t equals = std::min(extra.find('='), extra.size());
    const bool json = equals > 0 && extra[equals - 1] == ':';
    if (equals == 0 || (equals == extra.size() && !json)) {
      fail("{}: {}: expected key=value behind '#+', found '{}'", entry.where, entry.opcode, extra);
    }
    const std::string key = unescaped(extra.substr(0, equals - (json ? 1 : 0)));
    if (equals == extra.size()) return set_integer(key, entry);
    std::string value = unescaped(extra.substr(equals + 1));
    if (key == "XNOp" || entry.find(key) != nullptr) {
      fail("{}: {} '{}': field {}: expected once, found twice", entry.where, entry.opcode,
           name_of(entry), key);
    }
    if (!json) {
      entry.fields.push_back({key, value});
      return;
    }
    // As the JSON form would read it: nothing but JSON may get into a listing.
    value = json_object("{\"value\":" + value + "}", entry.where).at(0).json;
    entry.fields.push_back(field_of(key, Json::parse(value)));
  }

  static void set_integer(const std::string& key, Entry& entry) {
    for (Field& field : entry.fields) {
      if (field.key != key) continue;
      const Json value = Json::parse(field.value, nullptr, false);
      field.integer = value.is_number_integer() && value.dump() == field.value;
      if (field.integer) return;
      fail("{}: {} '{}': field {}: expected a JSON number, found '{}'", entry.where, entry.opcode,
           name_of(entry), key, field.value);
    }
    fail("{}: {} '{}': no field {}", entry.where, entry.opcode, name_of(entry), key);
  }

  const std::string& name_;
  std::vector<Line> lines_;
  Listing listing_;
  std::map<std::string, LineTemplate> templates_;  // as the file itself defines them
  std::vector<Attribute> pending_;                 // keys of the instruction that follows
  std::string pending_where_;
  int instructions_ = 0;
  bool pending_text_ = false;  // the entry has its instruction as text alone
};

bool one_line(std::string_view text) {
  return text == trimmed(text) && std::all_of(text.begin(), text.end(), [](char c) {
           return c == '\t' || static_cast<unsigned char>(c) >= ' ';
         });
}

class TextPrinter {
 public:
  explicit TextPrinter(const Listing& listing) : listing_(listing) {}

  std::string run() {
    text_ = fmt::format("# dialect {}\n", to_string(listing_.dialect));
    if (!listing_.attributes.empty()) {
      text_ += "#! " + json_text(listing_.attributes, "file") + "\n";
    }
    for (const Entry& entry : listing_.entries) {
      entry.opcode.empty() ? without_instruction(entry) : instruction(entry);
    }
    return std::move(text_);
  }

 private:
  void without_instruction(const Entry& entry) {
    const bool plain = entry.attributes.empty() && one_line(entry.comment) &&
                       kind_of(entry.comment) == LineKind::Comment;
    text_ +=
        plain ? entry.comment + "\n" : "#= " + json_text(json_entry(entry), entry.where) + "\n";
  }

  void instruction(const Entry& entry) {
    const LineTemplate fields = template_for(entry);
    const auto known = printed_.find(entry.opcode);
    if (known_opcode(entry.opcode) && (known == printed_.end() || known->second != fields)) {
      text_ += fmt::format("# template id {}", entry.opcode);
      for (const std::string& key : fields) text_ += " " + escaped(key);
      text_ += "\n";
      printed_[entry.opcode] = fields;
    }
    std::vector<Attribute> keys = other_keys(entry);
    const bool plain = one_line(entry.comment) && entry.comment.find("#+") == std::string::npos;
    if (!plain) keys.push_back({"comment", json_string(entry.comment, entry.where)});
    if (!keys.empty()) text_ += (entry.line ? "#; " : "#: ") + json_text(keys, entry.where) + "\n";
    text_ += id(entry) + " " + escaped(entry.opcode);
    for (const std::string& key : fields) text_ += " " + escaped(entry.find(key)->value);
    if (plain && !entry.comment.empty()) text_ += " # " + entry.comment;
    text_ += extras(entry, fields) + "\n";
  }

  static std::string id(const Entry& entry) {
    const Field* id = entry.find("id");
    if (id == nullptr) return "-";
    return id->value == "-" ? "%2d" : escaped(id->value);
  }

  // The dialect's order, without what this entry does not have.
  LineTemplate template_for(const Entry& entry) const {
    LineTemplate fields;
    for (const std::string_view key : template_of(listing_.dialect, entry.opcode)) {
      if (entry.find(key) != nullptr) fields.emplace_back(key);
    }
    return fields;
  }

  static std::string extras(const Entry& entry, const LineTemplate& fields) {
    std::string text;
    for (const Field& field : entry.fields) {
      const std::string key = escaped(field.key, "=:");
      const bool in_line =
          field.key == "id" || std::find(fields.begin(), fields.end(), field.key) != fields.end();
      if (in_line) {
        if (field.integer) text += " " + key + ":";
        continue;
      }
      const bool bare = field.json || field.integer;
      text += fmt::format(" {}{}={}", key, bare ? ":" : "", escaped(field.value));
    }
    return text.empty() ? text : " #+" + text;
  }

  const Listing& listing_;
  std::string text_;
  std::map<std::string, LineTemplate> printed_;
};

}  // namespace

std::string one_token(std::string_view text) { return escaped(text); }

Listing parse_text(const std::string& text, const std::string& name) {
  return TextParser(text, name).run();
}

std::string print_text(const Listing& listing) { return TextPrinter(listing).run(); }

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
