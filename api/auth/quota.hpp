#pragma once

/// How much each caller has asked for lately: a token bucket (in the sense of queueing) for requests and one for
/// tokens. A bucket holds a minute's worth and fills evenly. Tokens are known when an answer is over: they are taken
/// then, below nothing if need be, and the next request waits until the bucket is above it again.

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "api/auth/principal.hpp"
#include "base/result.hpp"

namespace gantry::api {

class Quotas {
  public:
    using Time = std::chrono::steady_clock::time_point;

    enum class Lack { kNone, kRequests, kTokens };
    struct Verdict {
        Lack lack = Lack::kNone;
        double wait_seconds = 0;  ///< until the request would be let in; 0 where it is
    };
    /// Counts one request; a refused one is not counted.
    Verdict take(const Principal& who, Time now);
    /// Takes what an answer came to.
    void charge(const Principal& who, uint64_t tokens, Time now);
    /// x-ratelimit-limit-requests, -remaining-requests, -reset-requests and the same of tokens, as OpenAI has them;
    /// only those of limits that exist.
    std::vector<std::pair<std::string, std::string>> headers(const Principal& who, Time now);
    /// Forgets a caller that is gone.
    void forget(const std::string& key_id) { callers_.erase(key_id); }

  private:
    struct Bucket {
        double level = 0;  ///< may be negative
        Time filled{};
        bool fresh = true;
        void fill(double limit, Time now);
    };
    struct Caller {
        Bucket requests, tokens;
    };
    Caller& caller(const Principal& who, Time now);

    std::map<std::string, Caller> callers_;  ///< by key_id; only of callers with limits
};

/// A duration as OpenAI writes it: "120ms", "1s", "6m0s".
std::string reset_text(double seconds);

}  // namespace gantry::api
