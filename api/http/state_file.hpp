#pragma once

/// state.db: what the server remembers from one run to the next.

#include <filesystem>

#include "base/sqlite/database.hpp"

namespace gantry::api {

/// The open database, and whether this server is the one that brings its models back: of several servers of one user
/// the first. Used on the io thread.
class StateFile {
  public:
    /// Opens `folder`/state.db. Where that cannot be (a read-only disk, say) the server runs without a memory and says
    /// so in the log.
    static StateFile open(const std::filesystem::path& folder);
    /// Without a file: for servers that end with the program that started them.
    static StateFile forgetful();

    StateFile(StateFile&& other) noexcept;
    StateFile& operator=(StateFile&&) = delete;
    ~StateFile();

    sqlite::Database& database() { return database_; }
    /// Whether launches are to be recorded here and brought back from here.
    bool keeps_launches() const { return lock_ >= 0; }

  private:
    StateFile(sqlite::Database database, int lock) : database_(std::move(database)), lock_(lock) {}
    sqlite::Database database_;
    int lock_;  ///< descriptor of the locked state.lock; -1: not ours
};

}  // namespace gantry::api
