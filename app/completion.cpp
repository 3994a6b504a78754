// Completion of commands, options and their closed sets of values, for bash and zsh.
#include <algorithm>

#include "app/described_command.h"
#include "core/error.h"

namespace workbench::app {

namespace {

// Every command that options can be given to.
void add_leaves(const DescribedCommand& command, std::vector<const DescribedCommand*>& leaves) {
  for (const DescribedCommand& sub : command.subcommands) {
    if (sub.subcommands.empty()) {
      leaves.push_back(&sub);
    } else {
      add_leaves(sub, leaves);
    }
  }
}

std::vector<const DescribedCommand*> leaves_of(const DescribedCommand& program) {
  std::vector<const DescribedCommand*> leaves;
  add_leaves(program, leaves);
  return leaves;
}

std::string last_word(const std::string& name) { return name.substr(name.rfind(' ') + 1); }

std::string subcommand_names(const DescribedCommand& command) {
  std::string names;
  for (const DescribedCommand& sub : command.subcommands) {
    names += (names.empty() ? "" : " ") + last_word(sub.name);
  }
  return names;
}

std::string option_names(const DescribedCommand& command) {
  std::string names;
  for (const DescribedOption& option : command.options) {
    if (option.positional) continue;
    for (const std::string& name : option.names) names += (names.empty() ? "" : " ") + name;
  }
  return names;
}

}  // namespace

namespace {

// Cases "COMMAND OPTION" of options whose values are words.
std::string bash_values(const DescribedCommand& command) {
  std::string cases;
  for (const DescribedOption& option : command.options) {
    if (option.words.empty()) continue;
    for (const std::string& name : option.names) {
      cases += fmt::format("    '{} {}') words='{}' ;;\n", command.name, name,
                           fmt::join(option.words, " "));
    }
  }
  return cases;
}

std::string bash_commands(const DescribedCommand& command, const std::string& name) {
  std::string cases = fmt::format("    '{}') words='{} {}' ;;\n", name, subcommand_names(command),
                                  option_names(command));
  for (const DescribedCommand& sub : command.subcommands) {
    if (!sub.subcommands.empty()) cases += bash_commands(sub, sub.name);
  }
  return cases;
}

}  // namespace

std::string bash_completion(const DescribedCommand& program) {
  std::string groups, values, options;
  for (const DescribedCommand& sub : program.subcommands) {
    if (!sub.subcommands.empty()) groups += (groups.empty() ? "" : "|") + sub.name;
  }
  for (const DescribedCommand* command : leaves_of(program)) {
    values += bash_values(*command);
    options += fmt::format("    '{}') words='{}' ;;\n", command->name, option_names(*command));
  }
  return fmt::format(R"(# bash completion for workbench; written by `workbench completion bash`
_workbench() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  local command='' words='' files=yes
  (( COMP_CWORD > 1 )) && command="${{COMP_WORDS[1]}}"
  case "$command" in
    {0}) (( COMP_CWORD > 2 )) && command="$command ${{COMP_WORDS[2]}}" ;;
  esac
  case "$command $previous" in
{1}  esac
  if [[ -n $words ]]; then
    files=no
  else
    case "$command" in
{2}{3}    esac
    [[ -z $command || $command =~ ^({0})$ ]] && files=no
  fi
  [[ $files == yes && $current != -* ]] && words=''
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ $files == yes ]] && COMPREPLY+=($(compgen -f -- "$current"))
}}
complete -o filenames -F _workbench workbench
)",
                     groups, values, bash_commands(program, ""), options);
}

namespace {

// Inside single quotes and square brackets of an _arguments specification.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == '\\') out += '\\';
    out += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return out;
}

std::string zsh_option(const DescribedOption& option, const std::string& name) {
  std::string values;
  if (!option.value.empty()) {
    const std::string words =
        option.words.empty() ? "_files" : fmt::format("({})", fmt::join(option.words, " "));
    values = ":value:" + words;
  }
  return fmt::format("    '{}{}[{}]{}'", option.repeated ? "*" : "", name, zsh_text(option.meaning),
                     values);
}

std::string zsh_function(std::string name) {
  std::ranges::replace(name, ' ', '_');
  return "_workbench_" + name;
}

std::string zsh_leaf(const DescribedCommand& command) {
  std::string text = zsh_function(command.name) + "() {\n  _arguments -s";
  for (const DescribedOption& option : command.options) {
    if (option.positional) continue;
    for (const std::string& name : option.names) text += " \\\n" + zsh_option(option, name);
  }
  return text + " \\\n    '*:file:_files'\n}\n";
}

// Of a command with subcommands: their names, then the function of the one that was named.
std::string zsh_chooser(const DescribedCommand& command, const std::string& function) {
  std::string names, cases;
  for (const DescribedCommand& sub : command.subcommands) {
    names += fmt::format("    '{}:{}'\n", last_word(sub.name), zsh_text(sub.meaning));
    cases += fmt::format("        {}) {} ;;\n", last_word(sub.name), zsh_function(sub.name));
  }
  return fmt::format(R"({0}() {{
  local curcontext="$curcontext" state line
  local -a commands
  commands=(
{1}  )
  _arguments -C '1:command:->command' '*::argument:->arguments'
  case $state in
    command) _describe command commands ;;
    arguments)
      case $words[1] in
{2}      esac ;;
  esac
}}
)",
                     function, names, cases);
}

}  // namespace

std::string zsh_completion(const DescribedCommand& program) {
  std::string text = "#compdef workbench\n# written by `workbench completion zsh`\n";
  for (const DescribedCommand* command : leaves_of(program)) text += zsh_leaf(*command);
  for (const DescribedCommand& sub : program.subcommands) {
    if (!sub.subcommands.empty()) text += zsh_chooser(sub, zsh_function(sub.name));
  }
  return text + zsh_chooser(program, "_workbench") + "_workbench \"$@\"\n";
}

}  // namespace workbench::app
