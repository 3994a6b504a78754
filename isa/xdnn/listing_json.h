// JSON objects as lists of attributes: shared by the two forms of a listing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "isa/xdnn/listing.h"

namespace workbench::xdnn {

// Throws Error "WHERE: not valid JSON: ...", or naming a repeated key, too deep nesting, or a root
// that is no object.
std::vector<Attribute> json_object(std::string_view text, const std::string& where);
// The inverse: {"key":value,...} on one line.
std::string json_text(const std::vector<Attribute>& attributes, const std::string& where);
// `text` as a JSON string.
std::string json_string(const std::string& text, const std::string& where);

// An entry from its object, and back. The inverse keeps every key.
Entry entry_from_json(const std::vector<Attribute>& object, const std::string& where);
std::vector<Attribute> json_entry(const Entry& entry);

}  // namespace workbench::xdnn
