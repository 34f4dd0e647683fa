#pragma once

/// The set of models that are to be there, and their aliases, on disk.

#include <map>
#include <string>
#include <vector>

#include "base/sqlite/database.hpp"
#include "runtime/fleet/fleet.hpp"

namespace gantry::fleet {

/// Used on the io thread; a write waits for the disk. Without a database nothing is kept, and all calls succeed.
class LaunchStore {
  public:
    /// `database` may be null and must outlive the store. One whose tables cannot be made is not used; the log says
    /// why.
    explicit LaunchStore(sqlite::Database* database);

    /// In the order of their launch. Records that cannot be read are passed over; the log names them.
    std::vector<DesiredLaunch> all() const;
    /// Records a launch under request.uid, over what stood there.
    Status put(const LaunchRequest& request);
    Status remove(const std::string& uid);
    /// Counts a restore that failed.
    Status attempt_failed(const std::string& uid);
    /// It is ready: attempts count from 0 again.
    Status attempt_succeeded(const std::string& uid);
    /// It does not come back by itself before it is launched again.
    Status park(const std::string& uid, const std::string& reason);

    std::map<std::string, std::string> aliases() const;
    Status put_alias(const std::string& name, const std::string& uid);
    Status remove_alias(const std::string& name);

  private:
    template <class... Values>
    Status write(std::string_view sql, const Values&... values) const;

    sqlite::Database* database_;
};

}  // namespace gantry::fleet
