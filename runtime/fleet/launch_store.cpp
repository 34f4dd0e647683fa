#include "runtime/fleet/launch_store.hpp"

#include <boost/json.hpp>
#include <utility>

#include "base/log.hpp"
#include "runtime/fleet/launch_codec.hpp"

namespace gantry::fleet {
namespace {

constexpr sqlite::Migration kSchema[] = {
    {1,
     "CREATE TABLE launches(number INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE, request TEXT NOT NULL,"
     " attempts INTEGER NOT NULL DEFAULT 0, parked INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '');"
     "CREATE TABLE aliases(name TEXT PRIMARY KEY, uid TEXT NOT NULL);"},
};

}  // namespace

LaunchStore::LaunchStore(sqlite::Database* database) : database_(database) {
    if (database_ == nullptr) {
        return;
    }
    if (const Status made = database_->migrate("fleet", kSchema); !made) {
        log::error("launches are not recorded: {}", made.error().text());
        database_ = nullptr;
    }
}

std::vector<DesiredLaunch> LaunchStore::all() const {
    std::vector<DesiredLaunch> out;
    if (database_ == nullptr) {
        return out;
    }
    auto query = database_->prepare("SELECT uid, request, attempts, parked, reason FROM launches ORDER BY number");
    while (query) {
        const auto row = query->step();
        if (!row || !*row) {
            break;
        }
        DesiredLaunch launch;
        launch.uid = query->text(0);
        boost::system::error_code ec;
        const boost::json::value value = boost::json::parse(query->text(1), ec);
        auto request = launch_from_json(value);
        if (!request) {
            log::error("the launch of '{}' does not come back: {}", launch.uid, request.error().text());
            continue;
        }
        launch.request = std::move(*request);
        launch.attempts = static_cast<int>(query->integer(2));
        launch.parked = query->integer(3) != 0;
        launch.reason = query->text(4);
        out.push_back(std::move(launch));
    }
    return out;
}

template <class... Values>
Status LaunchStore::write(std::string_view sql, const Values&... values) const {
    if (database_ == nullptr) {
        return ok();
    }
    GANTRY_TRY(sqlite::Statement statement, database_->prepare(sql));
    return statement.bind_all(std::string_view(values)...).run();
}

Status LaunchStore::put(const LaunchRequest& request) {
    return write(
        "INSERT INTO launches(uid, request) VALUES(?1, ?2) "
        "ON CONFLICT(uid) DO UPDATE SET request = ?2, attempts = 0, parked = 0, reason = ''",
        request.uid, boost::json::serialize(to_json(request)));
}

Status LaunchStore::remove(const std::string& uid) { return write("DELETE FROM launches WHERE uid = ?", uid); }

Status LaunchStore::attempt_failed(const std::string& uid) {
    return write("UPDATE launches SET attempts = attempts + 1 WHERE uid = ?", uid);
}

Status LaunchStore::attempt_succeeded(const std::string& uid) {
    return write("UPDATE launches SET attempts = 0 WHERE uid = ? AND attempts > 0", uid);
}

Status LaunchStore::park(const std::string& uid, const std::string& reason) {
    return write("UPDATE launches SET parked = 1, reason = ?2 WHERE uid = ?1", uid, reason);
}

std::map<std::string, std::string> LaunchStore::aliases() const {
    std::map<std::string, std::string> out;
    if (database_ == nullptr) {
        return out;
    }
    auto query = database_->prepare("SELECT name, uid FROM aliases");
    while (query) {
        const auto row = query->step();
        if (!row || !*row) {
            break;
        }
        out[query->text(0)] = query->text(1);
    }
    return out;
}

Status LaunchStore::put_alias(const std::string& name, const std::string& uid) {
    return write("INSERT INTO aliases VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET uid = ?2", name, uid);
}

Status LaunchStore::remove_alias(const std::string& name) { return write("DELETE FROM aliases WHERE name = ?", name); }

}  // namespace gantry::fleet
