// The command line as data, for what is generated from it: the man page and shell completion.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace workbench::app {

struct DescribedOption {
  std::vector<std::string> names;  // with their dashes; of a positional its name alone
  std::string value;               // what follows: TEXT, INT, a|b; empty: a flag
  std::string meaning, group;
  std::vector<std::string> words;  // the values, where they are a closed set
  bool positional = false;
  bool repeated = false;
};

struct DescribedCommand {
  std::string name;  // "track record"; of the program itself "workbench"
  std::string meaning;
  std::vector<DescribedOption> options;
  std::vector<DescribedCommand> subcommands;
};

// Two calls of each command. They run in this order in a folder that has net.onnx, images/ with
// labels.tsv, input.npy, outputs.npz, suite.yaml, buffers.csv and app.elf;
// tests/e2e/command_line_test.py does so.
std::span<const std::string_view> examples_of(std::string_view command);

std::string man_page(const DescribedCommand& program);  // roff, section 1
std::string bash_completion(const DescribedCommand& program);
std::string zsh_completion(const DescribedCommand& program);

}  // namespace workbench::app
