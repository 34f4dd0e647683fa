#include "base/sqlite/database.hpp"

#include <sqlite3.h>
#include <sys/stat.h>

#include <system_error>
#include <utility>

#include "base/log.hpp"
#include "base/sqlite/error.hpp"

namespace gantry::sqlite {
namespace fs = std::filesystem;
namespace {

constexpr int kBusyTimeoutMs = 5'000;

/// Moves a damaged file and what belongs to it out of the way; gives the new name.
Result<fs::path> put_aside(const fs::path& file) {
    std::error_code ec;
    fs::path target;
    for (int n = 1;; ++n) {
        target = file.string() + ".damaged-" + std::to_string(n);
        if (!fs::exists(target, ec)) {
            break;
        }
    }
    fs::rename(file, target, ec);
    if (ec) {
        return Error{Code::kPermissionDenied, "cannot move the damaged file " + file.string() + ": " + ec.message()};
    }
    for (const char* suffix : {"-wal", "-shm"}) {
        // A log without its database means nothing, and the new one must not find it.
        fs::rename(file.string() + suffix, target.string() + suffix, ec);
    }
    return target;
}

}  // namespace

Error error_of(sqlite3* database, int rc) {
    const std::string message = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(rc);
    switch (rc & 0xff) {
        case SQLITE_CONSTRAINT:
            return {Code::kAlreadyExists, "the database refuses it: " + message};
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {Code::kUnavailable, "the database is in use: " + message, "repeat the call"};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return {Code::kDataLoss, "the database is damaged: " + message};
        case SQLITE_FULL:
            return {Code::kResourceExhausted, "the database cannot grow: " + message, "free some disk space"};
        case SQLITE_NOMEM:
            return {Code::kOutOfMemory, "the database found no memory"};
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_PERM:
            return {Code::kPermissionDenied, "the database cannot be written: " + message};
        case SQLITE_ERROR:
        case SQLITE_RANGE:
        case SQLITE_TOOBIG:
            return {Code::kInvalidArgument, "the database does not understand it: " + message};
        default:
            return {Code::kInternal, "the database failed: " + message};
    }
}

void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Result<Database> Database::open_once(const std::string& name) {
    sqlite3* handle = nullptr;
    const int rc = sqlite3_open_v2(name.c_str(), &handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE, nullptr);
    Database out(handle);  // a handle comes with most failures, too
    if (rc != SQLITE_OK) {
        return error_of(handle, rc);
    }
    sqlite3_busy_timeout(handle, kBusyTimeoutMs);
    return out;
}

Status Database::configure(bool file) const {
    GANTRY_CHECK_OK(execute("PRAGMA foreign_keys=ON"));
    if (file) {
        GANTRY_CHECK_OK(execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"));
        GANTRY_CHECK_OK(check_integrity());
    }
    return ok();
}

Status Database::check_integrity() const {
    GANTRY_TRY(Statement check, prepare("PRAGMA integrity_check(1)"));
    GANTRY_TRY(const bool row, check.step());
    const std::string verdict = row ? check.text(0) : "no answer";
    return verdict == "ok" ? ok() : Status(Error{Code::kDataLoss, "its integrity check says: " + verdict});
}

Result<Database> Database::open(const fs::path& file) {
    const auto attempt = [&]() -> Result<Database> {
        GANTRY_TRY(Database database, open_once(file.string()));
        GANTRY_CHECK_OK(database.configure(true));
        return database;
    };
    auto database = attempt();
    fs::path aside;
    if (!database && database.error().code == Code::kDataLoss) {
        GANTRY_TRY(aside, put_aside(file));
        log::error("{} is damaged and has been set aside as {}: {}", file.string(), aside.string(),
                   database.error().message);
        database = attempt();
    }
    if (!database) {
        return database.error().in(file.string());
    }
    ::chmod(file.c_str(), S_IRUSR | S_IWUSR);
    database->set_aside_ = std::move(aside);
    return database;
}

Result<Database> Database::in_memory() {
    GANTRY_TRY(Database database, open_once(":memory:"));
    GANTRY_CHECK_OK(database.configure(false));
    return database;
}

Result<Statement> Database::prepare(std::string_view sql) const {
    sqlite3_stmt* statement = nullptr;
    const int rc = sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
    if (rc != SQLITE_OK) {
        return error_of(handle_.get(), rc);
    }
    return Statement(handle_.get(), statement);
}

Status Database::execute(const std::string& sql) const {
    const int rc = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    return rc == SQLITE_OK ? ok() : Status(error_of(handle_.get(), rc));
}

Status Database::transaction(const std::function<Status()>& work) const {
    GANTRY_CHECK_OK(execute("BEGIN IMMEDIATE"));
    struct Undo {
        const Database* database;
        ~Undo() {
            if (database != nullptr) {
                (void)database->execute("ROLLBACK");
            }
        }
    } undo{this};
    GANTRY_CHECK_OK(work());
    GANTRY_CHECK_OK(execute("COMMIT"));
    undo.database = nullptr;
    return ok();
}

Status Database::migrate(std::string_view schema, std::span<const Migration> steps) const {
    GANTRY_CHECK_OK(execute("CREATE TABLE IF NOT EXISTS schemas(name TEXT PRIMARY KEY, version INTEGER NOT NULL)"));
    int64_t version = 0;
    {
        GANTRY_TRY(Statement query, prepare("SELECT version FROM schemas WHERE name = ?"));
        GANTRY_TRY(const bool row, query.bind_all(schema).step());
        version = row ? query.integer(0) : 0;
    }
    if (!steps.empty() && version > steps.back().version) {
        return Error{Code::kFailedPrecondition,
                     "the tables of '" + std::string(schema) + "' have version " + std::to_string(version) +
                         ", this program knows only " + std::to_string(steps.back().version),
                     "use the newer program that wrote them"};
    }
    for (const Migration& step : steps) {
        if (step.version <= version) {
            continue;
        }
        const Status done = transaction([&]() -> Status {
            GANTRY_CHECK_OK(execute(std::string(step.sql)));
            GANTRY_TRY(Statement note, prepare("INSERT INTO schemas VALUES(?1, ?2) "
                                               "ON CONFLICT(name) DO UPDATE SET version = ?2"));
            return note.bind_all(schema, int64_t{step.version}).run();
        });
        if (!done) {
            return done.error().in("version " + std::to_string(step.version) + " of '" + std::string(schema) + "'");
        }
    }
    return ok();
}

int64_t Database::changes() const { return sqlite3_changes64(handle_.get()); }

}  // namespace gantry::sqlite
