#include "api/cli/options.hpp"

#include <charconv>

#include "api/cli/command_list.hpp"
#include "base/text_distance.hpp"

namespace gantry::cli {
namespace {

const Option* find_option(const Command& command, std::string_view name) {
    for (const auto& list : {std::span<const Option>(command.options), common_options()}) {
        for (const auto& option : list) {
            if (option.name == name) {
                return &option;
            }
        }
    }
    return nullptr;
}

const Option* find_letter(const Command& command, char letter) {
    for (const auto& list : {std::span<const Option>(command.options), common_options()}) {
        for (const auto& option : list) {
            if (option.letter == letter) {
                return &option;
            }
        }
    }
    return nullptr;
}

Error unknown_option(const Command& command, std::string_view given) {
    std::vector<std::string> names;
    for (const auto& o : command.options) {
        names.emplace_back(o.name);
    }
    for (const auto& o : common_options()) {
        names.emplace_back(o.name);
    }
    const auto near = nearest_name(given, names);
    return Error{Code::kInvalidArgument,
                 "gantry " + std::string(command.name) + " has no option --" + std::string(given),
                 near ? "did you mean --" + *near + "?" : "gantry help " + std::string(command.name) + " lists them"};
}

}  // namespace

std::optional<std::string> Arguments::value(std::string_view option) const {
    const auto it = values_.find(option);
    return it == values_.end() ? std::nullopt : std::optional(it->second.back());
}

std::vector<std::string> Arguments::values(std::string_view option) const {
    const auto it = values_.find(option);
    return it == values_.end() ? std::vector<std::string>{} : it->second;
}

Result<long> Arguments::number(std::string_view option, long fallback, long min, long max) const {
    const auto text = value(option);
    if (!text) {
        return fallback;
    }
    long n = 0;
    const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), n);
    if (ec != std::errc{} || end != text->data() + text->size() || n < min || n > max) {
        return Error{Code::kInvalidArgument, "--" + std::string(option) + " takes a whole number from " +
                                                 std::to_string(min) + " to " + std::to_string(max) + ", not \"" +
                                                 *text + "\""};
    }
    return n;
}

void Arguments::add(std::string_view option, std::string value) {
    values_[std::string(option)].push_back(std::move(value));
}

std::span<const Option> common_options() {
    static const std::vector<Option> options{
        {"server", 's', "URL", "Server to talk to (default http://127.0.0.1:9997, or GANTRY_SERVER)."},
        {"ca-file", 0, "FILE",
         "Certificates to believe of an https:// server (default: GANTRY_CA_FILE, or the system's)."},
        {"api-key", 0, "KEY", "Key to show to the server (default: GANTRY_API_KEY)."},
        {"json", 0, "", "Print JSON instead of text."},
        {"quiet", 'q', "", "Print results only, no progress."},
        {"help", 'h', "", "Show this help."},
    };
    return options;
}

std::span<const Command> commands() {
    static const std::vector<Command> list = command_list();
    return list;
}

const Command* find_command(std::string_view name) {
    for (const auto& c : commands()) {
        if (c.name == name) {
            return &c;
        }
    }
    return nullptr;
}

Result<Arguments> parse(const Command& command, std::span<char* const> args) {
    Arguments out;
    bool only_operands = false;
    for (size_t i = 0; i < args.size(); ++i) {
        const std::string_view arg = args[i];
        if (only_operands || arg.size() < 2 || arg[0] != '-') {
            out.operands.emplace_back(arg);
            continue;
        }
        if (arg == "--") {
            only_operands = true;
            continue;
        }
        const Option* option = nullptr;
        std::optional<std::string> inline_value;
        if (arg.starts_with("--")) {
            auto name = arg.substr(2);
            if (const auto eq = name.find('='); eq != std::string_view::npos) {
                inline_value = std::string(name.substr(eq + 1));
                name = name.substr(0, eq);
            }
            option = find_option(command, name);
            if (option == nullptr) {
                return unknown_option(command, name);
            }
        } else {
            option = find_letter(command, arg[1]);
            if (option == nullptr) {
                return unknown_option(command, arg.substr(1));
            }
            if (arg.size() > 2) {
                inline_value = std::string(arg.substr(2));
            }
        }
        if (option->argument.empty()) {
            if (inline_value) {
                return Error{Code::kInvalidArgument, "--" + std::string(option->name) + " takes no value"};
            }
            out.add(option->name, "");
        } else if (inline_value) {
            out.add(option->name, *inline_value);
        } else if (i + 1 < args.size()) {
            out.add(option->name, args[++i]);
        } else {
            return Error{Code::kInvalidArgument,
                         "--" + std::string(option->name) + " needs a value (" + std::string(option->argument) + ")"};
        }
    }
    if (!out.has("help") &&
        (out.operands.size() < command.min_operands || out.operands.size() > command.max_operands)) {
        return Error{Code::kInvalidArgument,
                     "usage: gantry " + std::string(command.name) + " [options] " + std::string(command.operands),
                     "gantry help " + std::string(command.name) + " explains it"};
    }
    return out;
}

}  // namespace gantry::cli
