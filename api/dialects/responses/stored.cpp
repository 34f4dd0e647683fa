#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "api/dialects/responses/call.hpp"
#include "api/dialects/responses/handlers.hpp"
#include "api/dialects/responses/store.hpp"

namespace gantry::dialects::responses {

namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

constexpr size_t kMostOnPage = 100;

ApiError none(const std::string& id) {
    return ApiError(Error(Code::kNotFound, fmt::format("there is no response '{}'", id),
                          "responses are kept in memory, and the oldest go first; those of \"store\": false are not"));
}

}  // namespace

Answer get(Services& services, Exchange& exchange) {
    const Stored* stored = services.kept<Store>().find(exchange.param("id"));
    if (stored == nullptr) {
        co_return none(exchange.param("id"));
    }
    const auto stream = exchange.query_flag("stream", false);
    if (!stream || *stream) {
        co_return stream
            ? ApiError(Error(Code::kInvalidArgument, "a response that is whole is not streamed again"), "stream")
            : stream.error();
    }
    co_return api::json_response(stored->response);
}

Answer remove(Services& services, Exchange& exchange) {
    const std::string& id = exchange.param("id");
    if (!services.kept<Store>().remove(id)) {
        co_return none(id);
    }
    co_return api::json_response(bj::object{{"id", id}, {"object", "response"}, {"deleted", true}});
}

Answer input_items(Services& services, Exchange& exchange) {
    const Stored* stored = services.kept<Store>().find(exchange.param("id"));
    if (stored == nullptr) {
        co_return none(exchange.param("id"));
    }
    size_t limit = 20;
    if (const auto text = exchange.request.query_value("limit")) {
        const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
        if (error != std::errc{} || end != text->data() + text->size() || limit < 1 || limit > kMostOnPage) {
            co_return ApiError(Error(Code::kInvalidArgument, fmt::format("limit must be from 1 to {}", kMostOnPage)),
                               "limit");
        }
    }
    bj::array items = stored->input;
    if (exchange.request.query_value("order").value_or("desc") != "asc") {
        std::reverse(items.begin(), items.end());
    }
    const auto after = exchange.request.query_value("after");
    const auto found = std::find_if(items.begin(), items.end(), [&](const bj::value& item) {
        return after && text_member(item.as_object(), "id") == *after;
    });
    if (found != items.end()) {
        items.erase(items.begin(), found + 1);
    }
    const bool more = items.size() > limit;
    items.resize(std::min(items.size(), limit));
    bj::value first = nullptr, last = nullptr;
    if (!items.empty()) {
        first = items.front().at("id");
        last = items.back().at("id");
    }
    co_return api::json_response(bj::object{
        {"object", "list"}, {"data", std::move(items)}, {"has_more", more}, {"first_id", first}, {"last_id", last}});
}

Answer cancel(Services& services, Exchange& exchange) {
    const std::string id = exchange.param("id");
    Store& store = services.kept<Store>();
    const auto running = store.running.find(id);
    if (running == store.running.end()) {
        if (store.find(id) == nullptr) {
            co_return none(id);
        }
        co_return ApiError(Error(Code::kInvalidArgument, "the response is whole already: it cannot be cancelled"));
    }
    const auto route = services.fleet.route(running->second);
    if (!route) {
        co_return ApiError(route.error());
    }
    std::string path = "/abort";
    bj::value body = bj::object{{"id", id}};
    const auto aborted = co_await services.fleet.call(route->first, std::move(path), std::move(body));
    if (!aborted) {
        co_return ApiError(aborted.error());
    }
    co_return api::json_response(bj::object{{"id", id}, {"object", "response"}, {"status", "cancelled"}});
}

}  // namespace gantry::dialects::responses
