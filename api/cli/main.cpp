/// The gantry command.

#include <csignal>
#include <iostream>
#include <span>

#include "api/cli/options.hpp"
#include "api/cli/terminal.hpp"
#include "base/text_distance.hpp"

namespace {

constexpr int kUsage = 2;

int run(std::span<char*> words) {
    using namespace gantry;
    using namespace gantry::cli;
    if (words.size() < 2) {
        std::cout << overview();
        return kUsage;
    }
    std::string_view name = words[1];
    if (name == "--help" || name == "-h") {
        name = "help";
    } else if (name == "--version" || name == "-V") {
        name = "version";
    }
    const Command* command = find_command(name);
    if (command == nullptr) {
        std::vector<std::string> names;
        for (const auto& c : commands()) {
            names.emplace_back(c.name);
        }
        const auto near = nearest_name(name, names);
        fail({Code::kInvalidArgument, "gantry has no command \"" + std::string(name) + "\"",
              near ? "did you mean \"gantry " + *near + "\"?" : "gantry help lists them"});
        return kUsage;
    }
    const auto args = parse(*command, words.subspan(2));
    if (!args) {
        fail(args.error());
        return kUsage;
    }
    if (args->has("help")) {
        std::cout << help(*command);
        return 0;
    }
    return command->run(*args);
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return run(std::span(argv, static_cast<size_t>(argc)));
    } catch (const std::exception& e) {
        return gantry::cli::fail({gantry::Code::kInternal, e.what(), "this is a bug of Gantry; please report it"});
    }
}
