#include "api/http/state_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <utility>

#include "base/log.hpp"
#include "base/paths.hpp"

namespace gantry::api {

StateFile StateFile::forgetful() {
    // A database in memory fails only where there is no memory at all.
    return {sqlite::Database::in_memory().value(), -1};
}

StateFile StateFile::open(const std::filesystem::path& folder) {
    auto database = [&]() -> Result<sqlite::Database> {
        GANTRY_CHECK_OK(paths::make_private(folder));
        return sqlite::Database::open(folder / "state.db");
    }();
    if (!database) {
        log::error("nothing will be remembered of this run: {}", database.error().text());
        return forgetful();
    }
    const int lock = ::open((folder / "state.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (lock >= 0 && ::flock(lock, LOCK_EX | LOCK_NB) == 0) {
        return {std::move(*database), lock};
    }
    if (lock >= 0) {
        ::close(lock);
    }
    log::warn("another server keeps its models in {}: those of this one will not come back by themselves",
              folder.string());
    return {std::move(*database), -1};
}

StateFile::StateFile(StateFile&& other) noexcept
    : database_(std::move(other.database_)), lock_(std::exchange(other.lock_, -1)) {}

StateFile::~StateFile() {
    if (lock_ >= 0) {
        ::close(lock_);
    }
}

}  // namespace gantry::api
