// The man page: every command with its options as the command line has them.
#include <algorithm>

#include "app/described_command.h"

namespace workbench::app {

namespace {

// Plain text in roff: nothing in it is a request or an escape.
std::string escaped(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    line_begins = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string heading(const DescribedOption& option) {
  std::string text;
  for (const std::string& name : option.names) {
    text += (text.empty() ? "\\fB" : ", \\fB") + escaped(name) + "\\fR";
  }
  if (!option.value.empty() && !option.positional) text += " \\fI" + escaped(option.value) + "\\fR";
  return text;
}

// Options in the order of their groups, each with the heading of its group first.
std::string options_of(const DescribedCommand& command) {
  std::vector<std::string> groups;
  for (const DescribedOption& option : command.options) {
    if (std::ranges::find(groups, option.group) == groups.end()) groups.push_back(option.group);
  }
  std::string text;
  for (const std::string& group : groups) {
    if (groups.size() > 1) text += ".PP\n\\fI" + escaped(group) + "\\fR\n";
    for (const DescribedOption& option : command.options) {
      if (option.group != group) continue;
      text += ".TP\n" + heading(option) + "\n" + escaped(option.meaning) + "\n";
    }
  }
  return text;
}

std::string section(const DescribedCommand& command) {
  std::string text = ".SS " + escaped(command.name) + "\n" + escaped(command.meaning) + ".\n";
  text += options_of(command);
  const auto examples = examples_of(command.name);
  if (examples.empty()) return text;
  text += ".PP\nExamples:\n.PP\n.nf\n.RS\n";
  for (const std::string_view call : examples) text += escaped(call) + "\n";
  return text + ".RE\n.fi\n";
}

std::string sections(const DescribedCommand& command) {
  std::string text;
  for (const DescribedCommand& sub : command.subcommands) {
    text += sub.subcommands.empty() ? section(sub) : sections(sub);
  }
  return text;
}

}  // namespace

std::string man_page(const DescribedCommand& program) {
  return ".TH WORKBENCH 1 \"\" \"workbench\" \"User Commands\"\n"
         ".SH NAME\nworkbench \\- compile and simulate neural networks on integer hardware\n"
         ".SH SYNOPSIS\n\\fBworkbench\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n"
         ".SH DESCRIPTION\n" +
         escaped(program.meaning) + "\n.SH OPTIONS\n" + options_of(program) + ".SH COMMANDS\n" +
         sections(program) +
         ".SH EXIT STATUS\n.TP\n0\nsuccess\n.TP\n1\n"
         "a mismatch, a hazard, a regression or a failed point\n.TP\n2\n"
         "a bad file or option, named in one line on standard error\n"
         ".SH ENVIRONMENT\n.TP\n\\fBWORKBENCH_CACHE\\fR\n"
         "folder for what calibration measures, or none\n.TP\n\\fBNO_COLOR\\fR\n"
         "no colours on a terminal\n";
}

}  // namespace workbench::app
