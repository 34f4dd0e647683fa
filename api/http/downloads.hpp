#pragma once

#include <memory>

#include "api/http/services.hpp"
#include "registry/sources/puller.hpp"

namespace gantry::api {

/// What handlers download models with; Services keeps one.
struct Downloads {
    explicit Downloads(const Services&) {}
    std::shared_ptr<sources::Puller> puller;  ///< null: nothing can be downloaded
};

}  // namespace gantry::api
