/// The texts that the table of options makes: help, manual pages, completion.

#include <algorithm>

#include "api/cli/options.hpp"
#include "base/version.hpp"

namespace gantry::cli {
namespace {

std::string padded(std::string text, size_t width) {
    text.resize(std::max(width, text.size() + 2), ' ');
    return text;
}

std::string option_head(const Option& o) {
    std::string head = o.letter != 0 ? "-" + std::string(1, o.letter) + ", " : "    ";
    head += "--" + std::string(o.name);
    if (!o.argument.empty()) {
        head += " " + std::string(o.argument);
    }
    return head;
}

std::string option_lines(std::span<const Option> options) {
    std::string out;
    for (const auto& o : options) {
        out += "  " + padded(option_head(o), 28) + std::string(o.doc) + "\n";
    }
    return out;
}

/// Roff takes a leading dot or quote as a request and a bare hyphen as a typographic one.
std::string roff(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if ((i == 0 || text[i - 1] == '\n') && (text[i] == '.' || text[i] == '\'')) {
            out += "\\&";
        }
        if (text[i] == '\\' || text[i] == '-') {
            out += '\\';
        }
        out += text[i];
    }
    return out;
}

std::string roff_options(std::span<const Option> options) {
    std::string out;
    for (const auto& o : options) {
        out += ".TP\n.B " + roff(option_head(o)) + "\n" + roff(o.doc) + "\n";
    }
    return out;
}

}  // namespace

std::string overview() {
    std::string out = "Gantry " + std::string(kVersion) +
                      ": launches and serves AI models.\n\n"
                      "Usage: gantry COMMAND [options] ...\n\nCommands:\n";
    for (const auto& c : commands()) {
        if (!c.hidden) {
            out += "  " + padded(std::string(c.name), 12) + std::string(c.summary) + "\n";
        }
    }
    out +=
        "\nA first chat:  gantry run gantry-demo \"What is Gantry?\"\n"
        "More on each:  gantry help COMMAND\n";
    return out;
}

std::string help(const Command& c) {
    std::string out = "Usage: gantry " + std::string(c.name) + " [options] " + std::string(c.operands) + "\n\n" +
                      std::string(c.summary) + "\n";
    if (!c.description.empty()) {
        out += "\n" + std::string(c.description) + "\n";
    }
    if (!c.options.empty()) {
        out += "\nOptions:\n" + option_lines(c.options);
    }
    out += "\nCommon options:\n" + option_lines(common_options());
    return out;
}

std::string manual_page(const Command* command) {
    const std::string title = command == nullptr ? "GANTRY" : "GANTRY-" + std::string(command->name);
    std::string upper = title;
    std::ranges::transform(upper, upper.begin(),
                           [](char ch) { return ch >= 'a' && ch <= 'z' ? static_cast<char>(ch - 32) : ch; });
    std::string out = ".TH " + upper + " 1 \"\" \"gantry " + std::string(kVersion) + "\" \"Gantry\"\n";
    if (command == nullptr) {
        out +=
            ".SH NAME\ngantry \\- launches and serves AI models\n.SH SYNOPSIS\n.B gantry\nCOMMAND [options] ...\n"
            ".SH DESCRIPTION\nGantry keeps a registry of models, launches several at once, each in a process of "
            "its own, on the backend plugin that fits, and serves them over HTTP.\n.SH COMMANDS\n";
        for (const auto& c : commands()) {
            if (!c.hidden) {
                out += ".TP\n.B " + roff(c.name) + "\n" + roff(c.summary) + " See gantry\\-" + roff(c.name) + "(1).\n";
            }
        }
        out += ".SH OPTIONS\n" + roff_options(common_options());
    } else {
        out += ".SH NAME\ngantry\\-" + roff(command->name) + " \\- " + roff(command->summary) +
               "\n.SH SYNOPSIS\n.B gantry " + roff(command->name) + "\n[options] " + roff(command->operands) + "\n";
        if (!command->description.empty()) {
            out += ".SH DESCRIPTION\n" + roff(command->description) + "\n";
        }
        out += ".SH OPTIONS\n" + roff_options(command->options) + roff_options(common_options());
    }
    out +=
        ".SH EXIT STATUS\n0 on success, 1 when the command failed, 2 when it was called wrongly.\n"
        ".SH ENVIRONMENT\nGANTRY_SERVER names the server; GANTRY_SECTION_KEY overrides a key of gantry.toml.\n";
    return out;
}

Result<std::string> completion_script(std::string_view shell) {
    std::string names;
    for (const auto& c : commands()) {
        if (!c.hidden) {
            names += (names.empty() ? "" : " ") + std::string(c.name);
        }
    }
    const auto long_options = [](const Command& c) {
        std::string out;
        for (const auto& list : {std::span<const Option>(c.options), common_options()}) {
            for (const auto& o : list) {
                out += (out.empty() ? "--" : " --") + std::string(o.name);
            }
        }
        return out;
    };
    if (shell == "bash" || shell == "zsh") {
        std::string out = shell == "zsh" ? "#compdef gantry\nautoload -U +X bashcompinit && bashcompinit\n" : "";
        out +=
            "_gantry() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
            "  if [ \"$COMP_CWORD\" = 1 ]; then\n    words=\"" +
            names + "\"\n  else\n    case ${COMP_WORDS[1]} in\n";
        for (const auto& c : commands()) {
            if (!c.hidden) {
                out += "      " + std::string(c.name) + ") words=\"" + long_options(c) + "\" ;;\n";
            }
        }
        out +=
            "    esac\n    case ${COMP_WORDS[1]} in\n"
            "      run|launch|show) [ \"${cur#-}\" = \"$cur\" ] && COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
            "      stop|sleep|wake) [ \"${cur#-}\" = \"$cur\" ] && words=\"$words $(gantry ps -q 2>/dev/null)\" ;;\n"
            "    esac\n  fi\n  COMPREPLY+=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -F _gantry gantry\n";
        return out;
    }
    if (shell == "fish") {
        std::string out = "complete -c gantry -n __fish_use_subcommand -f -a '" + names + "'\n";
        for (const auto& c : commands()) {
            if (c.hidden) {
                continue;
            }
            for (const auto& list : {std::span<const Option>(c.options), common_options()}) {
                for (const auto& o : list) {
                    out += "complete -c gantry -n '__fish_seen_subcommand_from " + std::string(c.name) + "' -l " +
                           std::string(o.name) + (o.letter != 0 ? " -s " + std::string(1, o.letter) : "") +
                           (o.argument.empty() ? "" : " -r") + "\n";
                }
            }
        }
        return out;
    }
    return Error{Code::kInvalidArgument, "no completion for the shell \"" + std::string(shell) + "\"",
                 "bash, zsh and fish have one"};
}

}  // namespace gantry::cli
