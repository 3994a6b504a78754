// Listings as files: the vendor's lines (docs/facts/xdnn.md 2.2, 2.4) and JSON
// (docs/facts/xdnn.md 2.5).
#pragma once

#include <string>
#include <string_view>

#include "isa/xdnn/listing.h"

namespace workbench::xdnn {

// Reads text or JSON, whichever it is. `name` stands for the file in errors. Throws Error.
Listing parse_listing(const std::string& contents, const std::string& name);
Listing parse_text(const std::string& text, const std::string& name);
Listing parse_json(const std::string& json, const std::string& name);

std::string print_text(const Listing& listing);
// A name as text has it: blanks, control characters, '%' and a leading '#' as %XX.
std::string one_token(std::string_view text);
// Values are written as strings, as the vendor does. Throws Error for a name that is not UTF-8.
std::string print_json(const Listing& listing);

}  // namespace workbench::xdnn
