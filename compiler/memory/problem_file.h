// Allocation problems and placements as CSV files, as minimalloc's collection has them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "compiler/memory/allocate.h"

namespace workbench {

// Columns id, lower, upper, size and optionally alignment, in the order the header names them:
// alive in [lower, upper). `where` begins the message of the Error thrown: "where:line: expected X,
// found Y". The capacity is for the caller to set.
Problem parse_problem(std::string_view text, const std::string& where);
Problem read_problem(const std::filesystem::path& path);

// "id,lower,upper,size,offset", one line per buffer in the problem's order.
std::string placement_csv(const Problem& problem, const Solution& solution);

// Bytes: a whole number, with k or M for 2^10 or 2^20 of them. `where` begins the Error's message.
std::int64_t parse_capacity(std::string_view text, const std::string& where);

}  // namespace workbench
