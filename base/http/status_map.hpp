#pragma once

/// The one place where error codes become HTTP statuses.

#include "base/result.hpp"

namespace gantry::http {

/// 400, 404, 413, 429, 499, 503, ... for an error code.
int status_of(Code code);

/// The inverse, for answers of a peer that does not speak our error form.
Code code_of(int status);

}  // namespace gantry::http
