#include "base/http/status_map.hpp"

namespace gantry::http {

int status_of(Code code) {
    switch (code) {
        case Code::kInvalidArgument:
            return 400;
        case Code::kUnauthenticated:
            return 401;
        case Code::kPermissionDenied:
            return 403;
        case Code::kNotFound:
            return 404;
        case Code::kAlreadyExists:
            return 409;
        case Code::kFailedPrecondition:
            return 409;
        case Code::kTooLarge:
            return 413;
        case Code::kResourceExhausted:
            return 429;
        case Code::kOutOfMemory:
            return 507;
        case Code::kCancelled:
            return 499;
        case Code::kDeadlineExceeded:
            return 504;
        // A corrupt file that the caller named: the same call will fail again, so it must not look transient.
        case Code::kDataLoss:
            return 400;
        case Code::kUnimplemented:
            return 501;
        case Code::kUnavailable:
            return 503;
        case Code::kInternal:
            return 500;
    }
    return 500;
}

Code code_of(int status) {
    switch (status) {
        case 400:
        case 405:
        case 415:
        case 417:
        case 422:
            return Code::kInvalidArgument;
        case 401:
            return Code::kUnauthenticated;
        case 403:
            return Code::kPermissionDenied;
        case 404:
            return Code::kNotFound;
        case 408:
        case 504:
            return Code::kDeadlineExceeded;
        case 409:
            return Code::kFailedPrecondition;
        case 413:
        case 431:
            return Code::kTooLarge;
        case 429:
            return Code::kResourceExhausted;
        case 499:
            return Code::kCancelled;
        case 501:
            return Code::kUnimplemented;
        case 502:
        case 503:
            return Code::kUnavailable;
        case 507:
            return Code::kOutOfMemory;
        default:
            return Code::kInternal;
    }
}

}  // namespace gantry::http
