#pragma once

/// What handlers work with. One object for the server's life; used on the io thread only.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <typeindex>
#include <utility>
#include <vector>

#include "base/metrics.hpp"
#include "registry/catalog.hpp"
#include "runtime/fleet/fleet.hpp"

namespace gantry::sqlite {
class Database;
}

namespace gantry::api {

class Authenticator;
struct Route;
class Telemetry;

struct Services {
    Services(fleet::Fleet& f, metrics::Registry& m, const registry::Catalog& c) : fleet(f), metrics(m), catalog(c) {}

    fleet::Fleet& fleet;
    metrics::Registry& metrics;
    const registry::Catalog& catalog;
    std::vector<Route>* routes = nullptr;  ///< all of the router's, for /openapi.json
    /// What has to outlive the server (state.db); each part of it migrates a schema of its own.
    sqlite::Database* state = nullptr;
    std::function<void()> stop;  ///< begins the server's way out; unset: it cannot
    std::string address;         ///< "127.0.0.1:9997", for clients that ask where the server is
    bool draining = false;       ///< set once the server is on its way out
    bool access_log = true;
    Authenticator* auth = nullptr;   ///< null: everybody may do everything (tests)
    Telemetry* telemetry = nullptr;  ///< null: nobody collects traces
    std::vector<std::string> cors_origins;
    std::string state_dir;  ///< where state is kept; empty: nowhere
    /// What names that Anthropic's clients send stand for: (name, or "beginning*", model), the first that fits.
    std::vector<std::pair<std::string, std::string>> anthropic_models;
    std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();

    /// 24 hexadecimal digits, unique in this process and hard to guess outside it.
    std::string new_id();

    /// What a dialect keeps between requests: one T for the server's life, made of *this at its first use.
    template <class T>
    T& kept() {
        std::shared_ptr<void>& slot = kept_[std::type_index(typeid(T))];
        if (!slot) {
            slot = std::make_shared<T>(std::as_const(*this));
        }
        return *static_cast<T*>(slot.get());
    }

  private:
    std::map<std::type_index, std::shared_ptr<void>> kept_;
    uint64_t last_id_ = 0;
    uint32_t salt_ = std::random_device{}();
};

}  // namespace gantry::api
