#pragma once

/// SQLite files: durable, in WAL mode, with numbered migrations.

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/sqlite/statement.hpp"

namespace gantry::sqlite {

/// One step of a schema's history. Versions begin with 1 and have no gaps; a step that was released never changes.
struct Migration {
    int version;
    std::string_view sql;  ///< may hold several statements
};

/// An open database. Used by one thread at a time. What has been committed survives the end of the process and a power
/// cut (synchronous=FULL): a commit waits for the disk, so keep writes rare.
class Database {
  public:
    /// Opens or makes a file (mode 0600) with foreign keys on and a busy timeout. A file that is no database or fails
    /// its integrity check is set aside as "NAME.damaged-N", which `set_aside` tells, and a new one takes its place.
    /// kPermissionDenied when the folder or file cannot be written.
    static Result<Database> open(const std::filesystem::path& file);
    /// A database without a file, for tests and for servers that are to leave nothing behind.
    static Result<Database> in_memory();

    Database(Database&&) noexcept = default;
    Database& operator=(Database&&) noexcept = default;

    /// One statement; kInvalidArgument for wrong SQL.
    Result<Statement> prepare(std::string_view sql) const;
    /// Statements without values and rows.
    Status execute(const std::string& sql) const;

    /// Runs `work` as one transaction (BEGIN IMMEDIATE), undone when it returns an error or throws. Not nested.
    Status transaction(const std::function<Status()>& work) const;

    /// Brings the schema called `schema` up to its newest version, each step in a transaction of its own. Several parts
    /// of the program keep their tables in one file: each has a schema name and a history of its own. A file that is
    /// newer than `steps` gives kFailedPrecondition and stays as it is.
    Status migrate(std::string_view schema, std::span<const Migration> steps) const;

    /// Rows that the last INSERT, UPDATE or DELETE changed.
    int64_t changes() const;

    /// Where a damaged file was moved to when this one was opened; empty: there was none.
    const std::filesystem::path& set_aside() const { return set_aside_; }

  private:
    struct Close {
        void operator()(sqlite3* database) const;
    };
    explicit Database(sqlite3* handle) : handle_(handle) {}
    static Result<Database> open_once(const std::string& name);
    Status configure(bool file) const;
    Status check_integrity() const;

    std::unique_ptr<sqlite3, Close> handle_;
    std::filesystem::path set_aside_;
};

}  // namespace gantry::sqlite
