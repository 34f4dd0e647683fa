#pragma once

/// What the routes call. Errors leave in Ollama's form: {"error": "..."}.

#include <boost/asio/awaitable.hpp>

#include "api/dialects/ollama/render.hpp"
#include "api/http/exchange.hpp"
#include "api/http/services.hpp"

namespace gantry::dialects::ollama {

using Answer = boost::asio::awaitable<api::Outcome>;

Answer generate(api::Services& services, api::Exchange& exchange);
Answer chat(api::Services& services, api::Exchange& exchange);

Answer list_models(api::Services& services, api::Exchange& exchange);
Answer list_running(api::Services& services, api::Exchange& exchange);
Answer show_model(api::Services& services, api::Exchange& exchange);
Answer pull_model(api::Services& services, api::Exchange& exchange);
Answer push_model(api::Services& services, api::Exchange& exchange);
Answer create_model(api::Services& services, api::Exchange& exchange);
Answer copy_model(api::Services& services, api::Exchange& exchange);
Answer delete_model(api::Services& services, api::Exchange& exchange);
Answer find_blob(api::Services& services, api::Exchange& exchange);
Answer put_blob(api::Services& services, api::Exchange& exchange);
Answer embed(api::Services& services, api::Exchange& exchange);

Answer version(api::Services& services, api::Exchange& exchange);
Answer root(api::Services& services, api::Exchange& exchange);

}  // namespace gantry::dialects::ollama
