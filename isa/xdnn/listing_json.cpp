// Listings as JSON (xdnn.md 2.5). Values other than xdnn_kv stay compact JSON text: what is not
// understood is kept.
#include "isa/xdnn/listing_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/error.h"

namespace workbench::xdnn {

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

}  // namespace

std::vector<Attribute> json_object(std::string_view text, const std::string& where) {
  const Json root = parse(text, where);
  if (!root.is_object()) fail("{}: expected a JSON object, found {}", where, root.type_name());
  return attributes_of(root);
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

}  // namespace workbench::xdnn
