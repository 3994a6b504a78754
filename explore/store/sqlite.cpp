#include "explore/store/sqlite.h"

#include <cerrno>
#include <cstring>

namespace workbench::sqlite {

namespace {

// What SQLite found, and why, when the system said why.
std::string reason(sqlite3* handle, int code) {
  const int system_error = handle != nullptr ? sqlite3_system_errno(handle) : 0;
  if (system_error != 0) return std::strerror(system_error);
  return sqlite3_errstr(code);
}

// In our words: SQLite's quote what the file holds.
std::string_view damage(int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_FORMAT:
      return "its pages or its schema are not as they were written";
    case SQLITE_INTERRUPT:
      return "a query does not end";
    default:
      return "its tables, or rows of them, are others than a results store has";
  }
}

}  // namespace

void refuse(const std::filesystem::path& path, sqlite3* handle, int code) {
  const std::string name = path.string();
  switch (code & 0xff) {
    case SQLITE_NOTADB:
      fail("{}: expected a results store, found a file that is no SQLite database", name);
    // Our statements keep the rules, and their SQL is that of our tables: these are others.
    case SQLITE_CORRUPT:
    case SQLITE_CONSTRAINT:
    case SQLITE_ERROR:
    case SQLITE_FORMAT:
    case SQLITE_MISMATCH:
    case SQLITE_SCHEMA:
    case SQLITE_INTERRUPT:  // by limit_steps()
      throw Damaged(fmt::format(
          "{}: damaged: {}; what can be read is kept by: workbench results --store {} --salvage "
          "NEW.db",
          name, damage(code), name));
    case SQLITE_FULL:
      fail("{}: cannot write: disk full; what was finished before is in it", name);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      fail("{}: cannot write: the file or its folder is read-only", name);
    case SQLITE_CANTOPEN:
      fail("{}: cannot open: {}", name, reason(handle, code));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      fail("{}: expected other processes to finish writing, found it locked for a minute", name);
    case SQLITE_IOERR:
      fail("{}: cannot read or write: {}", name, reason(handle, code));
    case SQLITE_NOMEM:
      fail("{}: out of memory", name);
    case SQLITE_TOOBIG:
      fail("{}: expected less than 1 GB in a row, found more", name);
    default:
      CHECK(false, "{}: SQLite error {}: {}", name, code,
            handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code));
  }
}

Statement::Statement(const Connection& connection, sqlite3_stmt* statement)
    : connection_(connection), statement_(statement) {
  CHECK(sqlite3_stmt_busy(statement) == 0, "used twice at once: {}", sqlite3_sql(statement));
}

Statement::~Statement() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::bind(std::string_view text) {
  // Never null: that would bind NULL instead of an empty text.
  const char* data = text.data() != nullptr ? text.data() : "";
  const int code =
      sqlite3_bind_text64(statement_, ++bound_, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) refuse(connection_.path(), connection_.handle(), code);
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  CHECK(sqlite3_bind_int64(statement_, ++bound_, number) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(double number) {
  CHECK(sqlite3_bind_double(statement_, ++bound_, number) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind_null() {
  CHECK(sqlite3_bind_null(statement_, ++bound_) == SQLITE_OK);
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  refuse(connection_.path(), connection_.handle(), code);
}

void Statement::run() { CHECK(!step(), "a row from {}", sqlite3_sql(statement_)); }

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Connection::Connection(const std::filesystem::path& path, const std::string& name, int flags)
    : path_(path) {
  errno = 0;
  const int code = sqlite3_open_v2(name.c_str(), &handle_, flags | SQLITE_OPEN_URI, nullptr);
  if (code != SQLITE_OK) {
    try {
      refuse(path_, handle_, code);
    } catch (...) {  // there is no destructor yet that would close it
      sqlite3_close(handle_);
      throw;
    }
  }
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_timeout(handle_, 60'000);
  // A foreign file's schema may contain functions: it is not trusted.
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
}

Connection::~Connection() {
  for (const auto& [sql, statement] : prepared_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

void Connection::limit_steps(std::int64_t millions) {
  constexpr int kSteps = 1'000'000;
  millions_left_ = millions;
  const auto count = [](void* left) { return --*static_cast<std::int64_t*>(left) < 0 ? 1 : 0; };
  sqlite3_progress_handler(handle_, kSteps, count, &millions_left_);
}

Statement Connection::statement(const char* sql) const {
  auto found = prepared_.find(std::string_view(sql));
  if (found == prepared_.end()) {
    sqlite3_stmt* statement = nullptr;
    const int code =
        sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) refuse(path_, handle_, code);
    found = prepared_.emplace(sql, statement).first;
  }
  return {*this, found->second};
}

void Connection::execute(const std::string& sql) const {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) refuse(path_, handle_, code);
}

std::int64_t Connection::integer(const char* sql) const {
  Statement query = statement(sql);
  return query.step() ? query.integer(0) : 0;
}

Transaction::Transaction(const Connection& connection, Kind kind) : connection_(connection) {
  connection_.execute(kind == Kind::Write ? "BEGIN IMMEDIATE" : "BEGIN");
}

Transaction::~Transaction() {
  // After some errors (disk full) SQLite has rolled back by itself.
  if (open_ && sqlite3_get_autocommit(connection_.handle()) == 0) {
    sqlite3_exec(connection_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

void Transaction::commit() {
  connection_.execute("COMMIT");
  open_ = false;
}

}  // namespace workbench::sqlite
