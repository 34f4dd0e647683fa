#include <fmt/core.h>

#include <algorithm>

#include "api/dialects/ollama/library.hpp"

namespace gantry::dialects::ollama {

namespace bj = boost::json;

namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view trimmed(std::string_view text) {
    const size_t begin = text.find_first_not_of(kBlank);
    return begin == std::string_view::npos ? std::string_view()
                                           : text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string upper(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return out;
}

/// Walks through the lines of a Modelfile.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    /// The next line that says something; its first word and what comes behind. False at the end.
    bool next(std::string& command, std::string_view& value) {
        while (!rest_.empty()) {
            const std::string_view line = trimmed(take_line());
            if (!line.empty() && line.front() != '#') {
                const size_t end = line.find_first_of(" \t");
                command = upper(line.substr(0, end));
                value = end == std::string_view::npos ? std::string_view() : trimmed(line.substr(end));
                return true;
            }
        }
        return false;
    }

    /// A value that may go on over lines between triple quotes, or stands between plain ones.
    Result<std::string> text(std::string_view value) {
        constexpr std::string_view kTriple = "\"\"\"";
        if (!value.starts_with(kTriple)) {
            const bool in_quotes = value.size() >= 2 && value.front() == '"' && value.back() == '"';
            return std::string(in_quotes ? value.substr(1, value.size() - 2) : value);
        }
        value.remove_prefix(kTriple.size());
        const int begin = line_;
        std::string out;
        while (true) {
            const size_t end = value.find(kTriple);
            out += value.substr(0, end);
            if (end != std::string_view::npos) {
                return out;
            }
            if (rest_.empty()) {
                return Error(Code::kInvalidArgument, fmt::format("Modelfile:{}: the quotes are not closed", begin));
            }
            out += '\n';
            value = take_line();
        }
    }

    Error wrong(std::string_view what) const {
        return Error(Code::kInvalidArgument, fmt::format("Modelfile:{}: {}", line_, what));
    }

  private:
    std::string_view take_line() {
        const size_t end = rest_.find('\n');
        const std::string_view line = rest_.substr(0, end);
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
        ++line_;
        return line;
    }

    std::string_view rest_;
    int line_ = 0;
};

void add_parameter(bj::object& parameters, const std::string& name, const std::string& text) {
    if (name != "stop") {
        parameters[name] = parameter_value(text);
        return;
    }
    if (!parameters.contains(name)) {
        parameters[name] = bj::array();
    }
    parameters.at(name).get_array().emplace_back(text);
}

Status take(Scanner& lines, const std::string& command, std::string_view value, Derived& out) {
    if (command == "PARAMETER" || command == "MESSAGE") {
        const size_t end = value.find_first_of(" \t");
        const std::string name(value.substr(0, end));
        if (end == std::string_view::npos) {
            return lines.wrong(command + " needs a name and a value");
        }
        GANTRY_TRY(const std::string text, lines.text(trimmed(value.substr(end))));
        if (command == "PARAMETER") {
            add_parameter(out.parameters, name, text);
        } else if (name == "system" || name == "user" || name == "assistant") {
            out.messages.emplace_back(bj::object{{"role", name}, {"content", text}});
        } else {
            return lines.wrong("a MESSAGE is of \"system\", \"user\" or \"assistant\", not \"" + name + "\"");
        }
        return ok();
    }
    const std::pair<std::string_view, std::string*> texts[] = {
        {"FROM", &out.from}, {"SYSTEM", &out.system}, {"TEMPLATE", &out.own_template}, {"LICENSE", &out.licence}};
    for (const auto& [name, target] : texts) {
        if (command == name) {
            GANTRY_TRY(*target, lines.text(value));
            return ok();
        }
    }
    return lines.wrong(command + " is not supported; known are FROM, SYSTEM, TEMPLATE, PARAMETER, MESSAGE and LICENSE");
}

}  // namespace

bj::value parameter_value(std::string_view text) {
    boost::system::error_code error;
    bj::value value = bj::parse(text, error);
    return !error && (value.is_number() || value.is_bool()) ? value : bj::value(text);
}

Result<Derived> read_modelfile(std::string_view text) {
    Scanner lines(text);
    Derived out;
    std::string command;
    std::string_view value;
    while (lines.next(command, value)) {
        GANTRY_CHECK_OK(take(lines, command, value, out));
    }
    if (out.from.empty()) {
        return Error(Code::kInvalidArgument, "the Modelfile has no FROM line");
    }
    return out;
}

}  // namespace gantry::dialects::ollama
