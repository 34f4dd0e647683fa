#include "api/auth/sqlite_key_store.hpp"

#include <sstream>

#include "base/paths.hpp"
#include "base/sqlite/database.hpp"

namespace gantry::api {
namespace {

constexpr sqlite::Migration kMigrations[] = {
    {1, R"(CREATE TABLE api_keys(
               id TEXT PRIMARY KEY,
               hash TEXT NOT NULL UNIQUE,
               name TEXT NOT NULL,
               scope TEXT NOT NULL,
               models TEXT NOT NULL,
               requests_per_minute INTEGER NOT NULL,
               tokens_per_minute INTEGER NOT NULL,
               created INTEGER NOT NULL,
               expires INTEGER NOT NULL) STRICT)"},
};

/// Names of models, a line each; no uid holds a line break.
std::string joined(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) {
        out += name + "\n";
    }
    return out;
}

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        out.push_back(line);
    }
    return out;
}

class SqliteKeyStore final : public KeyStore {
  public:
    explicit SqliteKeyStore(sqlite::Database database) : database_(std::move(database)) {}

    Result<std::vector<ApiKey>> load() override {
        GANTRY_TRY(sqlite::Statement rows,
                   database_.prepare("SELECT id, hash, name, scope, models, requests_per_minute, tokens_per_minute, "
                                     "created, expires FROM api_keys"));
        std::vector<ApiKey> out;
        while (true) {
            GANTRY_TRY(const bool more, rows.step());
            if (!more) {
                return out;
            }
            ApiKey key;
            key.id = rows.text(0);
            key.hash = rows.text(1);
            key.name = rows.text(2);
            const auto scope = scope_from_name(rows.text(3));
            if (!scope) {
                return Error(Code::kDataLoss, "the key " + key.id + " has an unknown scope");
            }
            key.scope = *scope;
            key.models = split(rows.text(4));
            key.limits.requests_per_minute = static_cast<uint32_t>(rows.integer(5));
            key.limits.tokens_per_minute = static_cast<uint64_t>(rows.integer(6));
            key.created = rows.integer(7);
            key.expires = rows.integer(8);
            out.push_back(std::move(key));
        }
    }

    Status insert(const ApiKey& key) override {
        GANTRY_TRY(sqlite::Statement row, database_.prepare("INSERT INTO api_keys VALUES(?,?,?,?,?,?,?,?,?)"));
        return row
            .bind_all(std::string_view(key.id), std::string_view(key.hash), std::string_view(key.name),
                      scope_name(key.scope), std::string_view(joined(key.models)),
                      static_cast<int64_t>(key.limits.requests_per_minute),
                      static_cast<int64_t>(key.limits.tokens_per_minute), key.created, key.expires)
            .run();
    }

    Status remove(const std::string& id) override {
        GANTRY_TRY(sqlite::Statement row, database_.prepare("DELETE FROM api_keys WHERE id = ?"));
        return row.bind(1, std::string_view(id)).run();
    }

  private:
    sqlite::Database database_;
};

}  // namespace

Result<std::unique_ptr<KeyStore>> open_key_store(const std::filesystem::path& file) {
    GANTRY_CHECK_OK(paths::make_private(file.parent_path()));
    GANTRY_TRY(sqlite::Database database, sqlite::Database::open(file));
    if (const auto& damaged = database.set_aside(); !damaged.empty()) {
        return Error(Code::kDataLoss,
                     "the database of API keys is damaged; it lies in " + damaged.string() + " now, and " +
                         file.string() + " is new and empty",
                     "put back a copy, or make new keys with: gantry keys create NAME --scope admin");
    }
    if (const auto done = database.migrate("keys", kMigrations); !done) {
        return done.error().in(file.string());
    }
    return std::unique_ptr<KeyStore>(std::make_unique<SqliteKeyStore>(std::move(database)));
}

std::filesystem::path key_file(const config::Config& config) {
    const std::string& folder = config.string("paths.state_dir");
    return (folder.empty() ? paths::state_dir() : std::filesystem::path(folder)) / "keys.db";
}

}  // namespace gantry::api
