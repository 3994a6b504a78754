#include "explore/store/salvage.h"

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "explore/store/tables.h"

namespace workbench {

namespace {

constexpr std::size_t kPage = 4096;

std::uint32_t number_at(const std::string& bytes, std::size_t at, std::size_t size = 4) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value = value << 8U | static_cast<unsigned char>(bytes.at(at + i));
  }
  return value;
}

void set_number(std::string& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes.at(at + i) = static_cast<char>(value >> (24U - 8U * static_cast<unsigned>(i)));
  }
}

// Where the numbers of a page's children are in the file; none: it is a leaf. Pages count from 1;
// the first begins with the file's header of 100 bytes.
std::vector<std::size_t> child_places(const std::string& file, std::uint32_t page) {
  constexpr std::uint32_t kInteriorOfTable = 5;
  const std::size_t begin = (page - 1) * kPage;
  const std::size_t header = begin + (page == 1 ? 100 : 0);
  if (number_at(file, header, 1) != kInteriorOfTable) return {};
  std::vector<std::size_t> places{header + 8};
  const std::uint32_t cells = number_at(file, header + 3, 2);
  for (std::uint32_t cell = 0; cell < cells; ++cell) {
    places.push_back(begin + number_at(file, header + 12 + 2 * cell, 2));
  }
  return places;
}

// Appends the tree under `page` of `from` and returns the page's number there.
std::uint32_t append_tree(const std::string& from, std::uint32_t page, std::string& to) {
  std::map<std::size_t, std::uint32_t> moved;  // place within the page -> number of the child
  for (const std::size_t place : child_places(from, page)) {
    moved[place - (page - 1) * kPage] = append_tree(from, number_at(from, place), to);
  }
  const std::size_t begin = to.size();
  to += from.substr((page - 1) * kPage, kPage);
  for (const auto& [place, child] : moved) set_number(to, begin + place, child);
  return static_cast<std::uint32_t>(begin / kPage + 1);
}

}  // namespace

std::string with_contents_of(std::string damaged, const std::string& fresh) {
  CHECK(fresh.size() >= kPage && number_at(fresh, 16, 2) == kPage, "{} bytes", fresh.size());
  damaged.resize((damaged.size() + kPage - 1) / kPage * kPage);
  const std::vector<std::size_t> places = child_places(fresh, 1);
  std::string first = fresh.substr(0, kPage);
  for (const std::size_t place : places) {
    set_number(first, place, append_tree(fresh, number_at(fresh, place), damaged));
  }
  first[18] = first[19] = 1;  // no write-ahead log beside it
  set_number(first, 28, static_cast<std::uint32_t>(damaged.size() / kPage));
  set_number(first, 32, 0);  // no list of free pages
  set_number(first, 36, 0);
  return damaged.replace(0, kPage, first);
}

namespace fs = std::filesystem;
using sqlite::Connection;
using sqlite::Statement;
using sqlite::Transaction;

namespace {

// Calls row() for what the queries give until they meet a damaged page. False: they did.
template <typename Row>
bool read_until_damage(const Connection& connection, const char* sql, const Row& row,
                       std::optional<std::int64_t> parameter = std::nullopt) {
  try {
    Statement query = connection.statement(sql);
    if (parameter) query.bind(*parameter);
    while (query.step()) row(query);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// All row numbers that can still be read, from both ends of every tree that has them, and
// those between: a damaged page hides its neighbours from a scan, but not from a search.
std::set<std::int64_t> numbers(const Connection& connection, const fs::path& file,
                               std::initializer_list<const char*> queries) {
  // No row takes less than this: more rows than that are a damaged number.
  constexpr std::int64_t kRowBytesMin = 16;
  const auto limit = static_cast<std::int64_t>(fs::file_size(file)) / kRowBytesMin;
  std::int64_t last = 0;
  for (const char* query : queries) {
    read_until_damage(connection, query, [&](const Statement& row) {
      if (row.integer(0) <= limit) last = std::max(last, row.integer(0));
    });
  }
  std::set<std::int64_t> all;
  for (std::int64_t number = 1; number <= last; ++number) all.insert(number);
  return all;
}

// Keys by point number, from the index: they name what the table itself has lost.
std::map<std::int64_t, std::string> known_keys(const Connection& connection) {
  std::map<std::int64_t, std::string> keys;
  for (const char* sql : {"SELECT point, key FROM points ORDER BY key",
                          "SELECT point, key FROM points ORDER BY key DESC"}) {
    read_until_damage(connection, sql,
                      [&](const Statement& row) { keys[row.integer(0)] = row.text(1); });
  }
  return keys;
}

void salvage_points(const Connection& from, const Connection& to, SalvageReport& report) {
  const auto points = numbers(
      from, from.path(),
      {"SELECT point FROM points ORDER BY key", "SELECT point FROM points ORDER BY key DESC",
       "SELECT max(point) FROM points", "SELECT max(point) FROM metrics",
       "SELECT max(point) FROM settings", "SELECT max(point) FROM layers"});
  const std::map<std::int64_t, std::string> keys = known_keys(from);
  for (const std::int64_t point : points) {
    const auto key = keys.find(point);
    const std::string name =
        key == keys.end() ? fmt::format("point number {}", point) : "point " + key->second;
    try {
      const std::optional<PointRow> row = read_point(from, point, true);
      if (row && digest(row->stored) == row->digest) {
        insert_point(to, *row);
        ++report.points;
      } else if (row) {
        report.lost.push_back(name + ": not all of it is there");
      } else if (key != keys.end()) {
        report.lost.push_back(name + ": the index alone has it");
      }
    } catch (const Error&) {
      report.lost.push_back(name + ": on a damaged page");
    }
  }
}

void salvage_runs(const Connection& from, const Connection& to, SalvageReport& report) {
  const auto runs =
      numbers(from, from.path(), {"SELECT max(run) FROM runs", "SELECT max(run) FROM run_points"});
  for (const std::int64_t run : runs) {
    std::map<std::int64_t, std::string> keys;  // by position
    const auto keep = [&](const Statement& row) { keys[row.integer(0)] = row.text(1); };
    const bool whole = read_until_damage(
        from, "SELECT position, key FROM run_points WHERE run = ? ORDER BY position", keep, run);
    if (!whole) {
      read_until_damage(from,
                        "SELECT position, key FROM run_points WHERE run = ? ORDER BY position DESC",
                        keep, run);
      report.lost.push_back(fmt::format("run {}: some of its list of points", run));
    }
    std::optional<RunRecord> record;
    try {
      record = read_run(from, run);
    } catch (const Error&) {
      report.lost.push_back(fmt::format("run {}: on a damaged page", run));
    }
    if (!record) continue;
    to.statement(
          "INSERT INTO runs (run, kind, name, revision, version, created, study) "
          "VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(run)
        .bind(record->kind)
        .bind(record->name)
        .bind(record->revision)
        .bind(record->version)
        .bind(record->created)
        .bind(record->study)
        .run();
    for (const auto& [position, key] : keys) insert_run_point(to, run, position, key);
    ++report.runs;
  }
}

// As it is, where SQLite can read which tables there are.
std::unique_ptr<Connection> open_as_it_is(const fs::path& path) {
  std::unique_ptr<Connection> connection;
  try {
    connection = open_unchecked(path);
    check_version(*connection);
    return connection;
  } catch (const sqlite::Damaged&) {
    return nullptr;
  } catch (const Error&) {
    if (connection) throw;  // it is another version's, or another program's
    return nullptr;
  }
}

// With a fresh store's table of contents.
std::unique_ptr<Connection> open_with_fresh_contents(const fs::path& path,
                                                     const ScratchFolder& scratch,
                                                     SalvageReport& report) {
  open_to_write(scratch.file("fresh.db"));  // and closed again: all of it is in the file
  write_file(scratch.file("copy.db"),
             with_contents_of(read_file(path), read_file(scratch.file("fresh.db"))));
  report.lost.emplace_back("the table of contents, replaced");
  const fs::path log = path.string() + "-wal";
  std::error_code none;
  if (const auto size = fs::file_size(log, none); !none && size > 0) {
    report.lost.push_back(fmt::format("what was in {} alone", log.string()));
  }
  return open_unchecked(scratch.file("copy.db"));
}

void salvage_all(const Connection& from, const fs::path& fresh, SalvageReport& report) {
  const auto to = open_to_write(fresh);
  Transaction transaction(*to);
  salvage_points(from, *to, report);
  salvage_runs(from, *to, report);
  transaction.commit();
}

}  // namespace

SalvageReport salvage(const fs::path& damaged, const fs::path& fresh) {
  std::error_code ignored;
  if (fs::exists(fresh, ignored)) {
    fail("--salvage {}: expected a new file, found an existing one", fresh.string());
  }
  if (!fs::is_regular_file(damaged, ignored)) {
    fail("{}: expected a results store, found no such file", damaged.string());
  }
  SalvageReport report;
  const ScratchFolder scratch(fresh);
  auto from = open_as_it_is(damaged);
  const bool sound = from != nullptr;
  if (!sound) from = open_with_fresh_contents(damaged, scratch, report);
  // A row takes some dozens of steps and more than a dozen bytes.
  constexpr std::int64_t kLeastMillions = 100, kBytesPerMillion = 100'000;
  from->limit_steps(kLeastMillions +
                    static_cast<std::int64_t>(fs::file_size(damaged)) / kBytesPerMillion);
  salvage_all(*from, scratch.file("salvaged.db"), report);
  if (report.points == 0 && report.runs == 0 && !report.lost.empty()) {
    fail("{}: expected a results store, found nothing of one", damaged.string());
  }
  fs::rename(scratch.file("salvaged.db"), fresh);
  return report;
}

}  // namespace workbench
