#pragma once

/// The OpenAPI 3.1 document, made from the route table: what is in the one is in the other.

#include <boost/json.hpp>
#include <span>

#include "api/http/route.hpp"

namespace gantry::api {

boost::json::object openapi_document(std::span<const Route> routes);

/// Its "components.schemas": what Route::request and Route::response name.
boost::json::object openapi_schemas();

}  // namespace gantry::api
