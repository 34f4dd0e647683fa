#include "runtime/plugins/abi_convert.hpp"

#include <iterator>
#include <new>

namespace gantry::plugins {
namespace {

struct CodePair {
    Code host;
    int32_t abi;
};

/// The first line of an ABI code is its host code; host codes that the contract lacks map to the nearest.
constexpr CodePair kCodes[] = {
    {Code::kInvalidArgument, GANTRY_ERR_INVALID_ARGUMENT},
    {Code::kNotFound, GANTRY_ERR_NOT_FOUND},
    {Code::kFailedPrecondition, GANTRY_ERR_FAILED_PRECONDITION},
    {Code::kOutOfMemory, GANTRY_ERR_OUT_OF_MEMORY},
    {Code::kCancelled, GANTRY_ERR_CANCELLED},
    {Code::kDataLoss, GANTRY_ERR_DATA_LOSS},
    {Code::kUnimplemented, GANTRY_ERR_UNIMPLEMENTED},
    {Code::kUnavailable, GANTRY_ERR_UNAVAILABLE},
    {Code::kInternal, GANTRY_ERR_INTERNAL},
    {Code::kResourceExhausted, GANTRY_ERR_RESOURCE_EXHAUSTED},
    {Code::kUnauthenticated, GANTRY_ERR_FAILED_PRECONDITION},
    {Code::kPermissionDenied, GANTRY_ERR_FAILED_PRECONDITION},
    {Code::kAlreadyExists, GANTRY_ERR_FAILED_PRECONDITION},
    {Code::kTooLarge, GANTRY_ERR_INVALID_ARGUMENT},
    {Code::kDeadlineExceeded, GANTRY_ERR_UNAVAILABLE},
};

/// Longer than any sensible string of the contract: what is longer is a wild pointer.
constexpr uint64_t kMaxText = 1 << 20;

struct OwnedError {
    gantry_error_t abi{};  // first: the contract's pointer is the object's own
    std::string message, hint;
};

void destroy_owned(gantry_error_t* self) { delete reinterpret_cast<OwnedError*>(self); }

gantry_error_t* no_memory() {
    static gantry_error_t error = {GANTRY_SIZE(gantry_error_t, destroy),
                                   GANTRY_ERR_OUT_OF_MEMORY,
                                   to_abi("the host ran out of memory while reporting an error"),
                                   {nullptr, 0},
                                   [](gantry_error_t*) {}};
    return &error;
}

Code host_code(int32_t abi) {
    for (const CodePair& pair : kCodes) {
        if (pair.abi == abi) {
            return pair.host;
        }
    }
    return Code::kInternal;
}

int32_t abi_code(Code host) {
    for (const CodePair& pair : kCodes) {
        if (pair.host == host) {
            return pair.abi;
        }
    }
    return GANTRY_ERR_INTERNAL;
}

}  // namespace

std::string_view from_abi(gantry_str_t s) {
    return s.data == nullptr || s.size > kMaxText ? std::string_view{} : std::string_view{s.data, s.size};
}

Error take_error(gantry_error_t* error) {
    Error out{Code::kInternal, "the plugin reported an error without a message"};
    if (GANTRY_COVERS(error, gantry_error_t, code)) {
        out.code = host_code(error->code);
    }
    if (GANTRY_COVERS(error, gantry_error_t, message) && !from_abi(error->message).empty()) {
        out.message = from_abi(error->message);
    }
    if (GANTRY_COVERS(error, gantry_error_t, hint)) {
        out.hint = from_abi(error->hint);
    }
    if (GANTRY_HAS(error, gantry_error_t, destroy)) {
        error->destroy(error);
    }
    return out;
}

gantry_error_t* make_abi_error(const Error& error) noexcept {
    try {
        auto* owned = new OwnedError{{}, error.message, error.hint};
        owned->abi = {GANTRY_SIZE(gantry_error_t, destroy), abi_code(error.code), to_abi(owned->message),
                      to_abi(owned->hint), destroy_owned};
        return &owned->abi;
    } catch (const std::bad_alloc&) {
        return no_memory();
    }
}

std::string version_text(uint32_t version) {
    return std::to_string(GANTRY_VERSION_MAJOR(version)) + '.' + std::to_string(GANTRY_VERSION_MINOR(version));
}

}  // namespace gantry::plugins
