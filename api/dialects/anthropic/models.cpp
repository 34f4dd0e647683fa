#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <ctime>

#include "api/dialects/anthropic/handlers.hpp"

namespace gantry::dialects::anthropic {

namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

constexpr size_t kMostOnPage = 1000;

std::string time_text(int64_t seconds) {
    const std::time_t time = seconds;
    std::tm parts{};
    gmtime_r(&time, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                       parts.tm_hour, parts.tm_min, parts.tm_sec);
}

bj::object model_object(const std::string& id, const fleet::ModelStatus& model) {
    return bj::object{{"type", "model"},
                      {"id", id},
                      {"display_name", id == model.uid ? model.model_name : id},
                      {"created_at", time_text(model.created)},
                      {"max_input_tokens", model.context_length},
                      {"max_tokens", model.context_length}};
}

bool answers(const fleet::ModelStatus& model) {
    return model.state == fleet::State::kReady || model.state == fleet::State::kAsleep ||
           model.state == fleet::State::kRestarting;
}

/// The launched models, and the names that the configuration maps to one of them.
std::vector<bj::object> all_models(const Services& services) {
    std::vector<bj::object> out;
    for (const fleet::ModelStatus& model : services.fleet.list()) {
        if (answers(model)) {
            out.push_back(model_object(model.uid, model));
        }
    }
    for (const auto& [name, target] : services.anthropic_models) {
        const auto model = services.fleet.describe(target);
        if (!name.ends_with('*') && model && answers(*model)) {
            out.push_back(model_object(name, *model));
        }
    }
    return out;
}

api::ApiResult<size_t> page_size(const Exchange& exchange) {
    const auto text = exchange.request.query_value("limit");
    size_t limit = 20;
    if (text) {
        const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
        if (error != std::errc{} || end != text->data() + text->size() || limit < 1 || limit > kMostOnPage) {
            return ApiError(Error(Code::kInvalidArgument,
                                  fmt::format("limit must be a number from 1 to {}, not \"{}\"", kMostOnPage, *text)));
        }
    }
    return limit;
}

}  // namespace

Answer list_models(Services& services, Exchange& exchange) {
    const auto limit = page_size(exchange);
    if (!limit) {
        co_return limit.error();
    }
    const std::vector<bj::object> all = all_models(services);
    const auto place = [&](std::string_view name) -> std::optional<size_t> {
        const auto wanted = exchange.request.query_value(name);
        const auto found = std::find_if(
            all.begin(), all.end(), [&](const bj::object& m) { return wanted && m.at("id").as_string() == *wanted; });
        return found == all.end() ? std::nullopt : std::optional(static_cast<size_t>(found - all.begin()));
    };
    size_t begin = 0, end = all.size();
    bool more = false;
    if (const auto before = place("before_id")) {
        end = *before;
        begin = end - std::min(end, *limit);
        more = begin > 0;
    } else {
        const auto after = place("after_id");
        begin = after ? *after + 1 : 0;
        end = std::min(all.size(), begin + *limit);
        more = end < all.size();
    }
    bj::array data(all.begin() + static_cast<std::ptrdiff_t>(begin), all.begin() + static_cast<std::ptrdiff_t>(end));
    bj::value first = nullptr, last = nullptr;
    if (!data.empty()) {
        first = data.front().at("id");
        last = data.back().at("id");
    }
    co_return api::json_response(
        bj::object{{"data", std::move(data)}, {"has_more", more}, {"first_id", first}, {"last_id", last}});
}

Answer get_model(Services& services, Exchange& exchange) {
    const std::string& id = exchange.param("uid");
    const auto model = services.fleet.describe(target_of(services, id));
    if (!model) {
        co_return ApiError(model.error());
    }
    co_return api::json_response(model_object(id, *model));
}

}  // namespace gantry::dialects::anthropic
