// SQLite with handles that close themselves and errors that are thrown, in one line. Faults of the
// file are for the user (Error); a statement that SQLite does not understand is a bug (CHECK).
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"

namespace workbench::sqlite {

// The file's pages contradict each other, or cannot be read: part of it may still be read.
class Damaged : public Error {
 public:
  using Error::Error;
};

// Throws what `code` (of a call that failed) means for the user of the file. `handle` may be null.
[[noreturn]] void refuse(const std::filesystem::path& path, sqlite3* handle, int code);

class Connection;

// A prepared statement in use: bound, stepped, and reset at the end of the scope.
class Statement {
 public:
  Statement(const Connection& connection, sqlite3_stmt* statement);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // The next parameter's value.
  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);
  Statement& bind(double number);
  Statement& bind_null();

  bool step();  // true: there is a row
  void run();   // of a statement without rows

  std::string text(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  bool is_null(int column) const;

 private:
  const Connection& connection_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

class Connection {
 public:
  // flags: SQLITE_OPEN_... The name may be a URI.
  Connection(const std::filesystem::path& path, const std::string& name, int flags);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const std::filesystem::path& path() const { return path_; }
  sqlite3* handle() const { return handle_; }

  // Prepared once for each text; one user of a text at a time.
  Statement statement(const char* sql) const;
  void execute(const std::string& sql) const;   // any number of statements, without results
  std::int64_t integer(const char* sql) const;  // the first column of the first row; 0: no row

  // From here on, all statements together end with Damaged after that many millions of steps: a
  // damaged page may point at itself, and a view may be a recursion without an end.
  void limit_steps(std::int64_t millions);

 private:
  std::filesystem::path path_;
  sqlite3* handle_ = nullptr;
  std::int64_t millions_left_ = 0;
  mutable std::map<std::string, sqlite3_stmt*, std::less<>> prepared_;
};

// Rolls back unless committed. Immediate: it waits for other writers here and not later.
class Transaction {
 public:
  enum class Kind { Read, Write };
  explicit Transaction(const Connection& connection, Kind kind = Kind::Write);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Connection& connection_;
  bool open_ = true;
};

}  // namespace workbench::sqlite
