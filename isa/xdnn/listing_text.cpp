#include "isa/xdnn/listing_text.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "isa/xdnn/listing.h"

namespace workbench::xdnn {

// --- JSON ----------------------------------------------------------------------------------------

// Listings as JSON (docs/facts/xdnn.md 2.5). Values other than xdnn_kv stay compact JSON text: what
// is not understood is kept.

namespace {

using Json = nlohmann::ordered_json;

constexpr int kDepthMax = 64;  // far beyond any program; printing recurses

// The library keeps the last of several values of a key, silently.
class Guard {
 public:
  explicit Guard(const std::string& where) : where_(where) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    if (depth > kDepthMax) fail("{}: JSON nested deeper than {} levels", where_, kDepthMax);
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
  return {key, value.dump(), !value.is_number_integer()};
}

void read_fields(const Json& kv, const std::string& where, Entry& entry) {
  for (const auto& [key, value] : kv.items()) {
    if (key != "XNOp") {
      entry.fields.push_back(field_of(key, value));
    } else if (value.is_string()) {
      entry.opcode = value.get<std::string>();
    }
  }
  if (entry.opcode.empty()) fail("{}: xdnn_kv: field XNOp: expected an opcode, found none", where);
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
    object.push_back({field.key, field.json ? field.value : json_string(field.value, entry.where)});
  }
  return json_text(object, entry.where);
}

std::size_t dissimilarity(const Entry& entry, Dialect dialect) {
  const auto fields = template_of(dialect, entry.opcode);
  std::size_t common = 0;
  for (const std::string_view key : fields) common += entry.find(key) != nullptr ? 1 : 0;
  return fields.size() + entry.fields.size() - 2 * common;
}

// The dialect whose templates fit best; the newer of equals.
Dialect closest_dialect(const Listing& listing) {
  Dialect best = Dialect::V3;
  std::size_t least = SIZE_MAX;
  for (std::size_t i = 0; i < std::size(kDialectNames); ++i) {
    std::size_t total = 0;
    for (const Entry& entry : listing.entries) {
      if (!entry.opcode.empty()) total += dissimilarity(entry, static_cast<Dialect>(i));
    }
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

// The inverse of json_entry(): every key is kept.
Entry entry_from_json(const std::vector<Attribute>& object, const std::string& where) {
  Entry entry{.where = where};
  for (const Attribute& a : object) {
    const Json value = Json::parse(a.json);
    const bool empty = value.is_null() || (value.is_object() && value.empty());
    if (a.key == "xdnn_kv" && !empty) {
      if (!value.is_object()) {
        fail("{}: xdnn_kv: expected an object, found {}", where, value.type_name());
      }
      read_fields(value, where, entry);
    } else if (a.key == "comment" && value.is_string() && !value.get<std::string>().empty()) {
      entry.comment = value.get<std::string>();
    } else {
      entry.attributes.push_back(a);
    }
  }
  return entry;
}

std::vector<Attribute> json_entry(const Entry& entry) {
  std::vector<Attribute> object = entry.attributes;
  if (!entry.comment.empty()) {
    object.push_back({"comment", json_string(entry.comment, entry.where)});
  }
  if (!entry.opcode.empty()) object.push_back({"xdnn_kv", kv_text(entry)});
  return object;
}

}  // namespace

Listing parse_json(const std::string& json, const std::string& name) {
  Listing listing;
  Json network;
  std::optional<Dialect> named;
  for (Attribute& a : json_object(json, name)) {
    if (a.key == "network") {
      network = Json::parse(a.json);
    } else if (a.key == "dialect") {  // ours: the vendor's files are recognised by their fields
      const Json value = Json::parse(a.json);
      named = dialect_called(value.is_string() ? value.get<std::string>() : a.json, name);
    } else {
      listing.attributes.push_back(std::move(a));
    }
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
  for (const Entry& entry : listing.entries) {
    if (!entry.opcode.empty()) check(entry, listing.dialect);
  }
  return listing;
}

std::string print_json(const Listing& listing) {
  std::string text = fmt::format("{{\n\"dialect\":\"{}\",\n", to_string(listing.dialect));
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

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> tokens(std::string_view text) {
  std::vector<std::string_view> list;
  std::size_t i = 0;
  while (i < text.size()) {
    if (blank(text[i])) {
      ++i;
      continue;
    }
    const std::size_t begin = i;
    while (i < text.size() && !blank(text[i])) ++i;
    list.push_back(text.substr(begin, i - begin));
  }
  return list;
}

constexpr std::string_view kNothing = "%-";  // an empty value

// As one token; `more` are further characters that would be misread.
std::string escaped(std::string_view text, std::string_view more = "") {
  if (text.empty()) return std::string(kNothing);
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte > ' ' && byte != 0x7f && c != '%' && (c != '#' || i > 0) &&
                       more.find(c) == std::string_view::npos;
    result += plain ? std::string(1, c) : fmt::format("%{:02x}", byte);
  }
  return result;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string unescaped(std::string_view token) {
  if (token == kNothing) return "";
  std::string result;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const bool code = token[i] == '%' && i + 2 < token.size() && hex_digit(token[i + 1]) >= 0 &&
                      hex_digit(token[i + 2]) >= 0;
    if (!code) {
      result += token[i];
      continue;
    }
    result += static_cast<char>(hex_digit(token[i + 1]) * 16 + hex_digit(token[i + 2]));
    i += 2;
  }
  return result;
}

enum class LineKind { Empty, Instruction, Comment, Dialect, Template, Keys, NoInstruction, File };

LineKind kind_of(std::string_view line) {
  if (line.empty()) return LineKind::Empty;
  if (line[0] != '#') return LineKind::Instruction;
  if (line.starts_with("#:")) return LineKind::Keys;
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

// An instruction line cut in its parts.
struct Parts {
  std::vector<std::string_view> words;  // id, opcode, fields
  std::string_view comment;
  std::vector<std::string_view> extras;  // key=value
};

Parts parts_of(std::string_view line) {
  Parts parts;
  std::size_t end = line.size();  // where the comment begins: a '#' that begins a token
  for (std::size_t i = 0; i < line.size() && end == line.size(); ++i) {
    if (line[i] == '#' && (i == 0 || blank(line[i - 1]))) end = i;
  }
  parts.words = tokens(line.substr(0, end));
  std::string_view rest = line.substr(end);
  if (const std::size_t plus = rest.find("#+"); plus != std::string_view::npos) {
    parts.extras = tokens(rest.substr(plus + 2));
    rest = rest.substr(0, plus);
  }
  if (!rest.empty()) rest.remove_prefix(1);
  parts.comment = trimmed(rest);
  return parts;
}

bool has_key(const std::vector<Attribute>& attributes, std::string_view key) {
  return std::any_of(attributes.begin(), attributes.end(),
                     [&](const Attribute& a) { return a.key == key; });
}

using Template = std::vector<std::string>;

Template standard_template(Dialect dialect, std::string_view opcode) {
  const auto fields = template_of(dialect, opcode);
  return {fields.begin(), fields.end()};
}

// The vendor's template of XNAvgPool leaves fcmode out, its lines do not (docs/facts/xdnn.md 2.4).
void add_fcmode(const Parts& parts, Template& fields) {
  if (!parts.words[1].starts_with("XNAvgPool") || parts.words.size() != fields.size() + 3) return;
  const auto at = std::find(fields.begin(), fields.end(), "paddings_h");
  const bool has = std::find(fields.begin(), fields.end(), "fcmode") != fields.end();
  if (at != fields.end() && !has) fields.insert(at + 1, "fcmode");
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
    std::vector<std::size_t> fits(std::size(kDialectNames));
    for (const Line& line : lines_) {
      if (line.kind != LineKind::Instruction) continue;
      const Parts parts = parts_of(line.text);
      if (parts.words.size() < 2) continue;
      for (std::size_t i = 0; i < fits.size(); ++i) {
        Template fields = standard_template(static_cast<Dialect>(i), parts.words[1]);
        add_fcmode(parts, fields);
        if (!fields.empty() && parts.words.size() == fields.size() + 2) ++fits[i];
      }
    }
    const auto best = std::max_element(fits.begin(), fits.end());  // the first of equals
    return static_cast<Dialect>(best - fits.begin());
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
        if (!pending_.empty()) fail("{}: JSON keys of an instruction, twice", where(line));
        pending_ = json_object(line.text.substr(2), where(line));
        pending_where_ = where(line);
        return;
      case LineKind::NoInstruction:
        return no_instruction(line);
      case LineKind::File:
        if (!listing_.attributes.empty()) fail("{}: JSON keys of the file, twice", where(line));
        listing_.attributes = json_object(line.text.substr(2), where(line));
        if (has_key(listing_.attributes, "network")) fail("{}: key network in text", where(line));
        return;
    }
  }

  void define_template(const Line& line) {
    const auto words = tokens(line.text);
    Template fields;
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
    const Parts parts = parts_of(line.text);
    const std::string at = where(line);
    if (parts.words.size() < 2) fail("{}: expected an id and an opcode, found '{}'", at, line.text);
    const std::string opcode(parts.words[1]);
    if (!known_opcode(opcode)) fail("{}: unknown opcode '{}'", at, opcode);
    const auto own = templates_.find(opcode);
    Template fields =
        own != templates_.end() ? own->second : standard_template(listing_.dialect, opcode);
    add_fcmode(parts, fields);
    if (has_key(pending_, "xdnn_kv")) {
      fail("{}: key xdnn_kv beside the instruction's own fields", at);
    }
    if (has_key(pending_, "comment") && !parts.comment.empty()) fail("{}: two comments", at);
    Entry entry = entry_from_json(pending_, at);
    pending_.clear();
    entry.opcode = opcode;
    entry.fields.push_back({"id", unescaped(parts.words[0])});
    const std::size_t given = parts.words.size() - 2;
    for (std::size_t i = 0; i < std::min(given, fields.size()); ++i) {
      entry.fields.push_back({fields[i], unescaped(parts.words[i + 2])});
    }
    if (given < fields.size()) {
      fail("{}: {} '{}': field {}: expected a value, found the end of the line ({} fields of {})",
           at, opcode, name_of(entry), fields[given], given, fields.size());
    }
    if (given > fields.size()) {
      fail("{}: {} '{}': expected {} fields (dialect {}), found {}", at, opcode, name_of(entry),
           fields.size(), to_string(listing_.dialect), given);
    }
    if (!parts.comment.empty()) entry.comment = std::string(parts.comment);
    for (const std::string_view extra : parts.extras) add_extra(extra, entry);
    check(entry, listing_.dialect);
    listing_.entries.push_back(std::move(entry));
  }

  static void add_extra(std::string_view extra, Entry& entry) {
    const std::size_t equals = extra.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      fail("{}: {}: expected key=value behind '#+', found '{}'", entry.where, entry.opcode, extra);
    }
    const bool json = extra[equals - 1] == ':';
    const std::string key = unescaped(extra.substr(0, equals - (json ? 1 : 0)));
    std::string value = unescaped(extra.substr(equals + 1));
    if (key == "XNOp" || entry.find(key) != nullptr) {
      fail("{}: {} '{}': field {}: expected once, found twice", entry.where, entry.opcode,
           name_of(entry), key);
    }
    if (json) {  // as the JSON form would read it: nothing but JSON may get into a listing
      value = json_object("{\"value\":" + value + "}", entry.where).at(0).json;
    }
    entry.fields.push_back({key, value, json});
  }

  const std::string& name_;
  std::vector<Line> lines_;
  Listing listing_;
  std::map<std::string, Template> templates_;  // as the file itself defines them
  std::vector<Attribute> pending_;             // keys of the instruction that follows
  std::string pending_where_;
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
    const Template fields = template_for(entry);
    const auto known = printed_.find(entry.opcode);
    if (known == printed_.end() || known->second != fields) {
      text_ += fmt::format("# template id {}", entry.opcode);
      for (const std::string& key : fields) text_ += " " + escaped(key);
      text_ += "\n";
      printed_[entry.opcode] = fields;
    }
    std::vector<Attribute> keys = entry.attributes;
    const bool plain = one_line(entry.comment) && entry.comment.find("#+") == std::string::npos;
    if (!plain) keys.push_back({"comment", json_string(entry.comment, entry.where)});
    if (!keys.empty()) text_ += "#: " + json_text(keys, entry.where) + "\n";
    const Field* id = entry.find("id");
    text_ += (id != nullptr ? escaped(id->value) : "0") + " " + entry.opcode;
    for (const std::string& key : fields) text_ += " " + escaped(entry.find(key)->value);
    if (plain && !entry.comment.empty()) text_ += " # " + entry.comment;
    text_ += extras(entry, fields) + "\n";
  }

  // The dialect's order, without what this entry does not have.
  Template template_for(const Entry& entry) const {
    Template fields;
    for (const std::string_view key : template_of(listing_.dialect, entry.opcode)) {
      if (entry.find(key) != nullptr) fields.emplace_back(key);
    }
    return fields;
  }

  static std::string extras(const Entry& entry, const Template& fields) {
    std::string text;
    for (const Field& field : entry.fields) {
      if (field.key == "id") continue;
      if (std::find(fields.begin(), fields.end(), field.key) != fields.end()) continue;
      text += fmt::format(" {}{}={}", escaped(field.key, "=:"), field.json ? ":" : "",
                          escaped(field.value));
    }
    return text.empty() ? text : " #+" + text;
  }

  const Listing& listing_;
  std::string text_;
  std::map<std::string, Template> printed_;
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
