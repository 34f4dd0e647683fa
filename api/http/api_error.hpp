#pragma once

/// An error on its way to a client: with the field at fault and, where it must differ, a status of its own.

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/json.hpp"
#include "base/result.hpp"

namespace gantry::api {

struct ApiError {
    ApiError() : status(0) {}
    ApiError(Error e, std::string p = {}, int s = 0) : error(std::move(e)), param(std::move(p)), status(s) {}

    /// What a Reader found wrong; it must have found something.
    static ApiError from(const json::Reader& reader) { return ApiError(reader.status().error(), reader.failed_path()); }

    Error error;
    std::string param;  ///< full path of the field; empty: none
    int status;         ///< 0: what base/http/status_map.hpp says
};

[[noreturn]] inline void throw_exception_from_error(const ApiError& e, const boost::source_location&) {
    throw std::runtime_error(e.error.text());
}

template <class T>
using ApiResult = boost::system::result<T, ApiError>;

}  // namespace gantry::api
