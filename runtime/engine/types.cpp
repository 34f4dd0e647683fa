#include "runtime/engine/types.hpp"

namespace gantry::engine {

std::string_view finish_name(FinishReason reason) {
    switch (reason) {
        case FinishReason::kStop:
            return "stop";
        case FinishReason::kLength:
            return "length";
        case FinishReason::kCancelled:
            return "cancelled";
    }
    return "stop";
}

}  // namespace gantry::engine
