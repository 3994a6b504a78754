// Text for people: the report in 118 columns at most, units everywhere, and what every table on a
// terminal is made of: aligned columns, thousands separated, units scaled.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "explore/report/report.h"

namespace workbench {

struct TextOptions {
  bool colour = false;      // ANSI colours, block characters for bars
  bool every_layer = true;  // false: only the totals
  // Whether integers are held against float by what the network is for; false: on synthetic data.
  bool judge_accuracy = true;
};

// Machine, network, per-layer table, waterfall, totals, host steps, accuracy, hazards, verdict.
std::string text_report(const RunResult& result, const TextOptions& options);

struct Column {
  std::string title;
  bool right_aligned = true;
  std::size_t width_max = 1000;  // longer cells lose their middle
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;  // as many cells as columns
};

// Header, then one line per row; columns one space apart, as wide as their longest cell.
std::vector<std::string> lines(const Table& table);

std::string thousands(std::int64_t number);  // 7,719,276,544
std::string scaled(double number);           // 3.86 G, 118.0 M, 25 k
std::string byte_text(std::int64_t bytes);   // 8.40 MB (2^20), 12.3 KB
// Printable width: UTF-8 continuation bytes take no column.
std::size_t columns_of(std::string_view text);
std::string shortened(std::string_view text, std::size_t width);  // keeps both ends, ".." between

}  // namespace workbench
