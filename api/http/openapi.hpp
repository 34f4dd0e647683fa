#pragma once

/// The OpenAPI 3.1 document, made from the route table and from the tables' descriptions: what is in the one is in the
/// other.
///
/// A description is a JSON object:
///   "schemas": components by name; "#/components/schemas/NAME" refers to them, from other descriptions too
///   "error": the schema of what handlers refuse with, where it is not the "Error" of all others. What is refused
///   before a
///            handler runs (no key, no such route, too long) has the form "Error" in any case
///   "operations": by "METHOD /path":
///     "request": the body's schema; "optional": true where the body may be absent
///     "response": the answer's schema, or null where it has no body
///     "media": of an answer that is not JSON, the types; "stream": the type that the answer has where the request asks
///            for a stream
///     "query": schemas by the names of query values; "path": likewise for path parameters, where they are not just
///     texts "errors": statuses beyond those of every route of that kind (see openapi.cpp)
/// Requests may have further members than the schemas tell, unless these say otherwise: dialects tell in
/// X-Gantry-Ignored which had no effect.

#include <boost/json.hpp>
#include <span>
#include <string_view>

#include "api/http/route.hpp"

namespace gantry::api {

boost::json::object openapi_document(std::span<const Route> routes);

/// Of the routes that are no dialect's, with the schemas that all share.
std::string_view core_description();

}  // namespace gantry::api
