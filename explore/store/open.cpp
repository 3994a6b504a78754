#include "explore/store/open.h"

#include <chrono>
#include <thread>

#include "explore/store/schema.h"

namespace workbench {

namespace fs = std::filesystem;
using sqlite::Connection;

namespace {

void require_file(const fs::path& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (!fs::exists(status)) {
    fail("{}: expected a results store, found no such file", path.string());
  }
  if (!fs::is_regular_file(status)) {
    fail("{}: expected a results store, found no regular file", path.string());
  }
}

// Readers do not wait for writers, and a commit needs no sync: a process that is killed loses
// nothing; a machine that loses its power may lose the last points, but not the store.
void use_write_ahead_log(const Connection& connection) {
  // SQLite does not wait here by itself when several processes switch a new file at once.
  constexpr int kAttempts = 6000;
  for (int attempt = 0;; ++attempt) {
    const int code =
        sqlite3_exec(connection.handle(), "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) break;
    if ((code & 0xff) != SQLITE_BUSY || attempt == kAttempts) {
      sqlite::refuse(connection.path(), connection.handle(), code);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  connection.execute("PRAGMA synchronous = NORMAL");
}

// Letters that mean something in a URI are spelled out.
std::string uri(const fs::path& path, const char* query) {
  std::string text = "file:";
  for (const char letter : fs::absolute(path).string()) {
    if (std::string_view("%?# ").find(letter) != std::string_view::npos) {
      text += fmt::format("%{:02x}", static_cast<unsigned char>(letter));
    } else {
      text += letter;
    }
  }
  return text + query;
}

std::unique_ptr<Connection> open(const fs::path& path, int flags) {
  return std::make_unique<Connection>(path, fs::absolute(path).string(), flags);
}

// A log that is there must be read too, and cannot be where nothing can be written.
bool has_log(const fs::path& path) {
  std::error_code none;
  const auto size = fs::file_size(path.string() + "-wal", none);
  return !none && size > 0;
}

}  // namespace

std::unique_ptr<Connection> open_to_write(const fs::path& path) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) require_file(path);
  auto connection = open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  // SQLite itself goes back to reading alone where it may not write.
  if (sqlite3_db_readonly(connection->handle(), "main") == 1) {
    sqlite::refuse(path, connection->handle(), SQLITE_READONLY);
  }
  prepare_schema(*connection);
  use_write_ahead_log(*connection);
  connection->execute("PRAGMA foreign_keys = ON");
  return connection;
}

std::unique_ptr<Connection> open_unchecked(const fs::path& path) {
  require_file(path);
  try {
    auto connection = open(path, SQLITE_OPEN_READONLY);
    connection->integer("SELECT count(*) FROM sqlite_master");
    return connection;
  } catch (const sqlite::Damaged&) {
    throw;
  } catch (const Error&) {
    if (has_log(path)) throw;
    auto connection =
        std::make_unique<Connection>(path, uri(path, "?immutable=1"), SQLITE_OPEN_READONLY);
    connection->integer("SELECT count(*) FROM sqlite_master");
    return connection;
  }
}

std::unique_ptr<Connection> open_to_read(const fs::path& path) {
  auto connection = open_unchecked(path);
  check_schema(*connection);
  return connection;
}

}  // namespace workbench
