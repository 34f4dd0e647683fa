#include "base/config.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "base/text_distance.hpp"

namespace gantry::config {
namespace {

std::string_view type_name(const Value& value) {
    constexpr std::string_view kNames[] = {"true or false", "an integer", "a number", "a string", "a list of strings"};
    return kNames[value.index()];
}

std::string_view node_name(const toml::node& node) {
    if (node.is_boolean()) {
        return "a boolean";
    }
    if (node.is_integer()) {
        return "an integer";
    }
    if (node.is_floating_point()) {
        return "a number";
    }
    if (node.is_string()) {
        return "a string";
    }
    return node.is_array() ? "a list" : node.is_table() ? "a table" : "a date or time";
}

std::optional<Value> value_from_node(const toml::node& node, const Value& like) {
    switch (like.index()) {
        case 0:
            return node.is_boolean() ? std::optional<Value>(node.value<bool>().value()) : std::nullopt;
        case 1:
            return node.is_integer() ? std::optional<Value>(node.value<int64_t>().value()) : std::nullopt;
        case 2:
            return node.is_number() ? std::optional<Value>(node.value<double>().value()) : std::nullopt;
        case 3:
            return node.is_string() ? std::optional<Value>(node.value<std::string>().value()) : std::nullopt;
        default:
            break;
    }
    const toml::array* array = node.as_array();
    if (!array) {
        return std::nullopt;
    }
    std::vector<std::string> list;
    for (const toml::node& item : *array) {
        if (!item.is_string()) {
            return std::nullopt;
        }
        list.push_back(item.value<std::string>().value());
    }
    return Value(std::move(list));
}

template <class T>
std::optional<Value> parse_number(std::string_view text) {
    T number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return Value(number);
}

/// From a flag or a variable; a list is separated by commas.
std::optional<Value> value_from_text(std::string_view text, const Value& like) {
    switch (like.index()) {
        case 0:
            if (text == "true" || text == "1" || text == "yes" || text == "on") {
                return Value(true);
            }
            if (text == "false" || text == "0" || text == "no" || text == "off") {
                return Value(false);
            }
            return std::nullopt;
        case 1:
            return parse_number<int64_t>(text);
        case 2:
            return parse_number<double>(text);
        case 3:
            return Value(std::string(text));
        default:
            break;
    }
    std::vector<std::string> list;
    while (!text.empty()) {
        const std::string_view item = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), item.size() + 1));
        if (!item.empty()) {
            list.emplace_back(item);
        }
    }
    return Value(std::move(list));
}

/// Why a value of the right type is not allowed; empty when it is.
std::string objection(const Key& key, const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value); text && !key.choices.empty()) {
        if (std::find(key.choices.begin(), key.choices.end(), *text) == key.choices.end()) {
            return fmt::format("must be one of {}, not \"{}\"", fmt::join(key.choices, ", "), *text);
        }
    }
    double number = 0;
    if (const auto* integer = std::get_if<int64_t>(&value)) {
        number = static_cast<double>(*integer);
    } else if (const auto* real = std::get_if<double>(&value)) {
        number = *real;
    } else {
        return {};
    }
    const bool bounded = key.low != 0 || key.high != 0;
    if (bounded && !(number >= static_cast<double>(key.low) && number <= static_cast<double>(key.high))) {
        return fmt::format("must be from {} to {}, not {}", key.low, key.high, number);
    }
    return {};
}

std::string toml_text(const Value& value) {
    struct Writer {
        std::string operator()(bool b) const { return b ? "true" : "false"; }
        std::string operator()(int64_t i) const { return fmt::format("{}", i); }
        std::string operator()(double d) const { return fmt::format("{}", d); }
        std::string operator()(const std::string& s) const { return fmt::format("\"{}\"", s); }
        std::string operator()(const std::vector<std::string>& list) const {
            std::string out = "[";
            for (const std::string& item : list) {
                out += fmt::format("{}\"{}\"", out.size() > 1 ? ", " : "", item);
            }
            return out + "]";
        }
    };
    return std::visit(Writer{}, value);
}

/// Variables of the program that are no settings: where its commands find a server, and what they show it.
constexpr std::string_view kClientVariables[] = {"GANTRY_SERVER", "GANTRY_API_KEY"};

std::string section_of(std::string_view key) { return std::string(key.substr(0, key.find('.'))); }

}  // namespace

/// Fills a Config from its sources, stopping at the first error.
class Loader {
  public:
    explicit Loader(Table table) : table_(table) {
        for (const Key& key : table) {
            config_.entries_[key.name] = {key.standard, "default"};
            names_.push_back(key.name);
            sections_.push_back(section_of(key.name));
        }
    }

    Status read_file(const std::filesystem::path& path);
    Status read_environment(const std::vector<std::pair<std::string, std::string>>& variables);
    Status read_flags(const std::vector<std::pair<std::string, std::string>>& flags);
    Config take() { return std::move(config_); }

  private:
    Status read_table(const toml::table& table, const std::string& prefix, const std::string& file);
    Status set(const Key& key, std::optional<Value> value, const std::string& origin, std::string_view got);
    Error unknown(const std::string& name, const std::string& origin) const;
    const Key* find(std::string_view name) const {
        const auto found = std::find_if(table_.begin(), table_.end(), [&](const Key& key) { return key.name == name; });
        return found == table_.end() ? nullptr : &*found;
    }

    Table table_;
    std::vector<std::string> names_, sections_;
    Config config_;
};

Error Loader::unknown(const std::string& name, const std::string& origin) const {
    const auto near = nearest_name(name, names_);
    return Error(Code::kInvalidArgument, fmt::format("{}: there is no setting \"{}\"", origin, name),
                 near ? fmt::format("did you mean \"{}\"?", *near) : "configs/gantry.toml lists all settings");
}

Status Loader::set(const Key& key, std::optional<Value> value, const std::string& origin, std::string_view got) {
    if (!value) {
        return Error(Code::kInvalidArgument,
                     fmt::format("{}: \"{}\" must be {}, not {}", origin, key.name, type_name(key.standard), got));
    }
    if (const std::string why = objection(key, *value); !why.empty()) {
        return Error(Code::kInvalidArgument, fmt::format("{}: \"{}\" {}", origin, key.name, why));
    }
    config_.entries_[key.name] = {std::move(*value), origin};
    return ok();
}

Status Loader::read_file(const std::filesystem::path& path) {
    std::ifstream stream(path);
    if (!stream) {
        return Error(Code::kNotFound, fmt::format("cannot read {}: {}", path.string(), std::strerror(errno)));
    }
    try {
        const toml::table table = toml::parse(stream, path.string());
        return read_table(table, "", path.string());
    } catch (const toml::parse_error& e) {
        return Error(Code::kInvalidArgument, fmt::format("{}:{}:{}: {}", path.string(), e.source().begin.line,
                                                         e.source().begin.column, e.description()));
    }
}

Status Loader::read_table(const toml::table& table, const std::string& prefix, const std::string& file) {
    for (const auto& [key, node] : table) {
        const std::string name = prefix + std::string(key.str());
        const std::string origin = fmt::format("{}:{}", file, key.source().begin.line);
        if (const Key* known = find(name)) {
            GANTRY_CHECK_OK(set(*known, value_from_node(node, known->standard), origin, node_name(node)));
        } else if (node.is_table() && std::find(sections_.begin(), sections_.end(), name) != sections_.end()) {
            GANTRY_CHECK_OK(read_table(*node.as_table(), name + ".", file));
        } else {
            return unknown(name, origin);
        }
    }
    return ok();
}

Status Loader::read_environment(const std::vector<std::pair<std::string, std::string>>& variables) {
    for (const auto& [name, text] : variables) {
        if (!name.starts_with("GANTRY_") ||
            std::find(std::begin(kClientVariables), std::end(kClientVariables), name) != std::end(kClientVariables)) {
            continue;
        }
        // Named in the captures: clang 14 takes no structured binding by [&].
        const auto key = std::find_if(table_.begin(), table_.end(),
                                      [&wanted = name](const Key& k) { return environment_name(k.name) == wanted; });
        if (key != table_.end()) {
            GANTRY_CHECK_OK(set(*key, value_from_text(text, key->standard), name, fmt::format("\"{}\"", text)));
            continue;
        }
        std::vector<std::string> known;
        for (const Key& k : table_) {
            known.push_back(environment_name(k.name));
        }
        const auto near = nearest_name(name, known);
        const auto section = std::find_if(sections_.begin(), sections_.end(), [&wanted = name](const std::string& s) {
            return wanted.starts_with(environment_name(s) + "_");
        });
        if (section != sections_.end()) {
            return Error(Code::kInvalidArgument, fmt::format("environment: there is no setting {}", name),
                         near ? fmt::format("did you mean {}?", *near) : "");
        }
        config_.warnings_.push_back(fmt::format("the environment variable {} means nothing here{}", name,
                                                near ? fmt::format("; did you mean {}?", *near) : ""));
    }
    return ok();
}

Status Loader::read_flags(const std::vector<std::pair<std::string, std::string>>& flags) {
    for (const auto& [name, text] : flags) {
        const std::string origin = "--" + name;
        const Key* key = find(name);
        if (!key) {
            return unknown(name, "command line");
        }
        GANTRY_CHECK_OK(set(*key, value_from_text(text, key->standard), origin, fmt::format("\"{}\"", text)));
    }
    return ok();
}

std::string environment_name(std::string_view key) {
    std::string out = "GANTRY_";
    for (const char c : key) {
        out += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    return out;
}

std::vector<std::pair<std::string, std::string>> gantry_environment() {
    std::vector<std::pair<std::string, std::string>> out;
    for (char** variable = environ; variable && *variable; ++variable) {
        const std::string_view text(*variable);
        const size_t equals = text.find('=');
        if (text.starts_with("GANTRY_") && equals != std::string_view::npos) {
            out.emplace_back(text.substr(0, equals), text.substr(equals + 1));
        }
    }
    return out;
}

Result<Config> Config::load(Table table, const Sources& sources) {
    Loader loader(table);
    if (sources.file) {
        GANTRY_CHECK_OK(loader.read_file(*sources.file));
    }
    GANTRY_CHECK_OK(loader.read_environment(sources.environment));
    GANTRY_CHECK_OK(loader.read_flags(sources.flags));
    return loader.take();
}

const Config::Entry& Config::entry(std::string_view key) const {
    const auto found = entries_.find(key);
    if (found == entries_.end()) {
        throw std::logic_error("no configuration key " + std::string(key));
    }
    return found->second;
}

bool Config::boolean(std::string_view key) const { return std::get<bool>(entry(key).value); }
int64_t Config::integer(std::string_view key) const { return std::get<int64_t>(entry(key).value); }
double Config::number(std::string_view key) const { return std::get<double>(entry(key).value); }
const std::string& Config::string(std::string_view key) const { return std::get<std::string>(entry(key).value); }
const std::vector<std::string>& Config::list(std::string_view key) const {
    return std::get<std::vector<std::string>>(entry(key).value);
}
const std::string& Config::origin(std::string_view key) const { return entry(key).origin; }

std::vector<std::string> Config::changed(const Config& other) const {
    std::vector<std::string> out;
    for (const auto& [name, entry] : entries_) {
        if (entry.value != other.entry(name).value) {
            out.push_back(name);
        }
    }
    return out;
}

namespace {

/// Comment lines of at most 100 columns.
void append_comment(std::string& out, std::string_view text) {
    std::string line(1, '#');
    while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (line.size() + word.size() + 1 > 100) {
            out += line + "\n";
            line.assign(1, '#');
        }
        line += fmt::format(" {}", word);
    }
    out += line + "\n";
}

}  // namespace

std::string documented_file(Table table) {
    std::string out;
    append_comment(
        out,
        "Gantry's settings, with their defaults. The environment wins over this file (server.port is "
        "GANTRY_SERVER_PORT), a flag (--server.port) wins over both. Unknown names and wrong types are errors.");
    std::string section;
    for (const Key& key : table) {
        if (section_of(key.name) != section) {
            section = section_of(key.name);
            out += fmt::format("\n[{}]\n", section);
        }
        std::string doc = key.doc;
        if (!key.choices.empty()) {
            doc += fmt::format(" One of: {}.", fmt::join(key.choices, ", "));
        } else if (key.low != 0 || key.high != 0) {
            doc += fmt::format(" From {} to {}.", key.low, key.high);
        }
        append_comment(out, doc);
        out += fmt::format("#{} = {}\n", key.name.substr(section.size() + 1), toml_text(key.standard));
    }
    return out;
}

}  // namespace gantry::config
