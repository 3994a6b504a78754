// A store whose table of contents is damaged: the pages that say which tables there are and where
// they begin. Every store has been made by the same SQL, hence its tables begin on the same pages;
// a fresh store's contents fit it.
#pragma once

#include <string>

namespace workbench {

// The bytes of a file (SQLite's format, https://sqlite.org/fileformat2.html) with the pages of
// `damaged` and the table of contents of `fresh`, both of 4096 bytes a page, put behind them. What
// else is damaged stays so. Of a store that was made otherwise the tables will be unreadable.
std::string with_contents_of(std::string damaged, const std::string& fresh);

}  // namespace workbench
