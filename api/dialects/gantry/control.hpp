#pragma once

/// Handlers that change a running model: sleep and wake, adapters, abort.

#include "api/http/exchange.hpp"
#include "api/http/services.hpp"

namespace gantry::dialects::control {

using Answer = boost::asio::awaitable<api::Outcome>;

Answer sleep(api::Services& services, api::Exchange& exchange);
Answer wake(api::Services& services, api::Exchange& exchange);
Answer abort_request(api::Services& services, api::Exchange& exchange);
Answer list_adapters(api::Services& services, api::Exchange& exchange);
/// {"name", "path"}
Answer load_adapter(api::Services& services, api::Exchange& exchange);
Answer drop_adapter(api::Services& services, api::Exchange& exchange);

/// vLLM's: {"lora_name", "lora_path"}; `model` says which, where several are launched.
Answer load_lora_adapter(api::Services& services, api::Exchange& exchange);
Answer unload_lora_adapter(api::Services& services, api::Exchange& exchange);

}  // namespace gantry::dialects::control
