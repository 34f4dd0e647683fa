#pragma once

#include "base/result.hpp"

struct sqlite3;

namespace gantry::sqlite {

/// The error of the last call on `database` (null: none was opened) that gave the result code `rc`: a broken constraint
/// is kAlreadyExists, a locked file kUnavailable, a damaged one kDataLoss, a full disk kResourceExhausted.
Error error_of(sqlite3* database, int rc);

}  // namespace gantry::sqlite
