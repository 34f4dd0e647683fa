#include "api/dialects/routes.hpp"

namespace gantry::dialects {

std::vector<api::RouteTable> all_routes() {
    return {openai_routes(),    encode_routes(),    xinference_routes(), ollama_routes(),
            anthropic_routes(), responses_routes(), gantry_routes()};
}

}  // namespace gantry::dialects
