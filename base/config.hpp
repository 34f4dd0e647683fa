#pragma once

/// Configuration from a file (TOML), then the environment, then flags; a later one wins. A table of keys drives
/// parsing, validation and documentation. What the table does not know is refused, with file, line and the nearest
/// name that it does know.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace gantry::config {

using Value = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

/// One key. The default's alternative is the key's type.
struct Key {
    std::string name;  ///< "server.port"; the part before the first dot is its section
    Value standard;    ///< the default
    std::string doc;   ///< what it does, its unit; full sentences
    int64_t low = 0;   ///< range of integers and (rounded) numbers; both 0: any
    int64_t high = 0;
    std::vector<std::string> choices;  ///< of strings; empty: any
};

using Table = std::span<const Key>;

/// The keys of the program itself, in the order in which configs/gantry.toml documents them.
Table gantry_keys();

/// Where the values come from.
struct Sources {
    std::optional<std::filesystem::path> file;                     ///< must exist when set
    std::vector<std::pair<std::string, std::string>> environment;  ///< only names that start with GANTRY_ count
    std::vector<std::pair<std::string, std::string>> flags;        ///< ("server.port", "1234")
};

/// The process's GANTRY_* variables.
std::vector<std::pair<std::string, std::string>> gantry_environment();

/// "server.port" as "GANTRY_SERVER_PORT".
std::string environment_name(std::string_view key);

class Config {
  public:
    /// All sources read and checked. kInvalidArgument says where ("gantry.toml:3", "GANTRY_SERVER_PORT",
    /// "--server.port").
    static Result<Config> load(Table table, const Sources& sources);

    /// The key must be in the table and of the asked type: anything else is a bug and throws std::logic_error.
    bool boolean(std::string_view key) const;
    int64_t integer(std::string_view key) const;
    double number(std::string_view key) const;
    const std::string& string(std::string_view key) const;
    const std::vector<std::string>& list(std::string_view key) const;

    /// "default", "gantry.toml:3", "GANTRY_SERVER_PORT", "--server.port".
    const std::string& origin(std::string_view key) const;
    /// The keys whose values differ from those of `other`, which has the same table; in alphabetical order.
    std::vector<std::string> changed(const Config& other) const;
    /// Oddities that are no errors: environment variables GANTRY_* that mean nothing.
    const std::vector<std::string>& warnings() const { return warnings_; }

  private:
    friend class Loader;
    struct Entry {
        Value value;
        std::string origin = "default";
    };
    const Entry& entry(std::string_view key) const;

    std::map<std::string, Entry, std::less<>> entries_;
    std::vector<std::string> warnings_;
};

/// A file that documents every key, with its default commented out.
std::string documented_file(Table table);

}  // namespace gantry::config
