#include "explore/sweep/slurm_commands.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <sstream>

#include "core/error.h"

namespace workbench {

namespace {

struct Answer {
  int exit_code = 0;
  std::string text;  // both streams
};

// `words` as one command. The shell's 127 says that there is no such program.
Answer call(const std::vector<std::string>& words) {
  std::string command;
  for (const std::string& word : words) command += shell_quoted(word) + " ";
  std::FILE* const pipe = ::popen((command + "2>&1").c_str(), "re");
  if (pipe == nullptr) fail("{}: cannot be started", words.front());
  Answer answer;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    answer.text.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe);
  answer.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  if (answer.exit_code == 127) {
    fail("--executor slurm: expected Slurm's {} in PATH, found none", words.front());
  }
  return answer;
}

std::string last_line(const std::string& text) {
  std::istringstream lines(text);
  std::string line, last = "no reason";
  while (std::getline(lines, line)) {
    if (!line.empty()) last = line;
  }
  return last;
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string shell_quoted(const std::string& word) {
  std::string quoted = "'";
  for (const char letter : word) quoted += letter == '\'' ? "'\\''" : std::string(1, letter);
  return quoted + "'";
}

std::string task_list(std::span<const std::int64_t> tasks) {
  std::string text;
  for (std::size_t i = 0; i < tasks.size();) {
    std::size_t end = i + 1;
    while (end < tasks.size() && tasks[end] == tasks[end - 1] + 1) ++end;
    text += text.empty() ? "" : ",";
    text += end - i > 1 ? fmt::format("{}-{}", tasks[i], tasks[end - 1]) : std::to_string(tasks[i]);
    i = end;
  }
  return text;
}

std::string submit(const ArrayJob& job) {
  std::vector<std::string> words = {"sbatch",
                                    "--parsable",
                                    "--no-requeue",
                                    "--job-name=workbench-sweep",
                                    fmt::format("--array={}%{}", task_list(job.tasks), job.at_once),
                                    "--output=" + job.log.string()};
  words.insert(words.end(), job.arguments.begin(), job.arguments.end());
  words.push_back(job.script.string());
  const Answer answer = call(words);
  const std::string line = last_line(answer.text);
  const std::string id = line.substr(0, line.find(';'));  // "17;cluster" in a federation
  if (answer.exit_code != 0 || !is_number(id)) {
    fail("--executor slurm: sbatch refuses: {}", line);
  }
  return id;
}

ActiveTasks active_tasks(std::span<const std::string> jobs) {
  ActiveTasks active;
  for (const std::string& id : jobs) {
    const Answer answer = call({"squeue", "--noheader", "--array", "--format=%F %K", "--jobs", id});
    if (answer.exit_code != 0) {
      if (answer.text.find("Invalid job id") != std::string::npos) continue;  // over long ago
      fail("--executor slurm: squeue fails: {}", last_line(answer.text));
    }
    std::istringstream lines(answer.text);
    std::string job;
    std::int64_t task = 0;
    while (lines >> job >> task) active.emplace(job, task);
  }
  return active;
}

void cancel(std::span<const std::string> jobs) {
  if (jobs.empty()) return;
  std::vector<std::string> words = {"scancel", "--quiet"};
  words.insert(words.end(), jobs.begin(), jobs.end());
  call(words);
}

}  // namespace workbench
