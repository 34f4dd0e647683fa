#include "base/result.hpp"

#include <array>

namespace gantry {
namespace {

constexpr std::array<std::pair<Code, std::string_view>, 15> kNames{{
    {Code::kInvalidArgument, "invalid_argument"},
    {Code::kUnauthenticated, "unauthenticated"},
    {Code::kPermissionDenied, "permission_denied"},
    {Code::kNotFound, "not_found"},
    {Code::kAlreadyExists, "already_exists"},
    {Code::kFailedPrecondition, "failed_precondition"},
    {Code::kTooLarge, "too_large"},
    {Code::kResourceExhausted, "resource_exhausted"},
    {Code::kOutOfMemory, "out_of_memory"},
    {Code::kCancelled, "cancelled"},
    {Code::kDeadlineExceeded, "deadline_exceeded"},
    {Code::kDataLoss, "data_loss"},
    {Code::kUnimplemented, "unimplemented"},
    {Code::kUnavailable, "unavailable"},
    {Code::kInternal, "internal"},
}};

}  // namespace

std::string_view code_name(Code code) {
    for (const auto& [c, name] : kNames) {
        if (c == code) {
            return name;
        }
    }
    return "internal";
}

Code code_from_name(std::string_view name) {
    for (const auto& [c, n] : kNames) {
        if (n == name) {
            return c;
        }
    }
    return Code::kInternal;
}

Error Error::in(std::string_view context) const { return Error{code, std::string(context) + ": " + message, hint}; }

std::string Error::text() const { return hint.empty() ? message : message + " (" + hint + ")"; }

}  // namespace gantry
