#include "app/picture.h"

#include <unistd.h>

#include <algorithm>
#include <optional>

#include "app/program.h"
#include "core/error.h"
#include "core/file.h"

namespace workbench::app {

namespace fs = std::filesystem;

namespace {

std::optional<std::string> browser() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (is_installed(name)) return name;
  }
  return std::nullopt;
}

}  // namespace

void require_picture(const fs::path& path) {
  if (path.empty()) return;
  if (path.extension() != ".png") {
    fail("--png: expected FILE.png, found '{}'", path.string());
  }
  if (browser()) return;
  fail(
      "--png {}: the picture is taken by Chromium, which is not installed (Debian: apt install "
      "chromium); --html FILE needs nothing",
      path.string());
}

void write_picture(const fs::path& path, const std::string& html, const std::string& chart) {
  const TemporaryFolder folder;
  const fs::path page = folder.file("page.html"), picture = folder.file("picture.png");
  write_file(page, html);
  std::vector<std::string> command = {browser().value_or("chromium"),
                                      "--headless=new",
                                      "--disable-gpu",
                                      "--disable-dev-shm-usage",
                                      "--hide-scrollbars",
                                      "--no-first-run",
                                      "--disable-background-networking",
                                      "--disable-component-update",
                                      "--disable-sync",
                                      "--force-device-scale-factor=2",
                                      "--window-size=1280,800",
                                      "--virtual-time-budget=4000",
                                      "--user-data-dir=" + folder.file("profile").string(),
                                      "--screenshot=" + picture.string()};
  if (geteuid() == 0) command.push_back("--no-sandbox");  // root has no sandbox to give
  command.push_back("file://" + page.string() + "#chart=" + chart);
  run_program(command, folder.file("log"));
  if (!fs::exists(picture)) {
    const std::string log = read_file(folder.file("log"));
    fail("{}: {} took no picture: {}", path.string(), command[0], log.substr(0, log.find('\n')));
  }
  write_file(path, read_file(picture));
}

}  // namespace workbench::app
