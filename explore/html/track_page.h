// `workbench track report --html`: what its JSON has (explore/track/history.h), to be looked at.
#pragma once

#include <string>

namespace workbench {

// `json`: of track_json(). The main chart, for --png, is the section "history".
std::string track_html(const std::string& json);

}  // namespace workbench
