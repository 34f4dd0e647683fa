#pragma once

/// One table of commands and options makes the parser, the help, the manual pages and the completion scripts.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gantry::cli {

struct Option {
    std::string_view name;      ///< long form without dashes
    char letter = 0;            ///< short form, or 0
    std::string_view argument;  ///< name of its value ("N"); empty: a switch
    std::string_view doc;       ///< one sentence
};

class Arguments;

struct Command {
    std::string_view name;
    std::string_view operands;  ///< "MODEL [PROMPT]"
    size_t min_operands = 0;
    size_t max_operands = 0;
    std::string_view summary;      ///< one line
    std::string_view description;  ///< paragraphs for help and manual
    std::vector<Option> options;
    bool hidden = false;  ///< started by the program itself
    int (*run)(const Arguments&) = nullptr;
};

/// Parsed command line of one command.
class Arguments {
  public:
    std::vector<std::string> operands;

    bool has(std::string_view option) const { return values_.contains(option); }
    std::optional<std::string> value(std::string_view option) const;
    /// Every value of an option that may be given several times.
    std::vector<std::string> values(std::string_view option) const;
    /// A whole number in [min, max], or the default where the option is absent.
    Result<long> number(std::string_view option, long fallback, long min, long max) const;
    void add(std::string_view option, std::string value);

  private:
    std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

/// Options that every command takes.
std::span<const Option> common_options();

/// All commands, in the order of the help.
std::span<const Command> commands();
const Command* find_command(std::string_view name);

/// Parses what follows the command's name. Unknown options and wrong counts give kInvalidArgument with the nearest
/// name.
Result<Arguments> parse(const Command& command, std::span<char* const> args);

std::string overview();                           ///< `gantry help`
std::string help(const Command& command);         ///< `gantry help COMMAND`
std::string manual_page(const Command* command);  ///< roff; nullptr: gantry(1) itself
/// "bash", "zsh" or "fish".
Result<std::string> completion_script(std::string_view shell);

}  // namespace gantry::cli
