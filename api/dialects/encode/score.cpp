#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "api/dialects/encode/handlers.hpp"

namespace gantry::dialects::encode {

namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

bj::object list_of(const std::string& id, const std::string& model, bj::array data, uint64_t tokens) {
    bj::object used = usage(tokens);
    used["completion_tokens"] = 0;
    used["prompt_tokens_details"] = nullptr;
    return bj::object{{"id", id},       {"object", "list"},        {"created", unix_now()},
                      {"model", model}, {"data", std::move(data)}, {"usage", std::move(used)}};
}

/// vLLM has had several names for the fields.
void read_scored(json::Reader& reader, std::vector<std::string>& first, std::vector<std::string>& second) {
    first = read_texts(reader, {"text_1", "queries", "data_1"});
    second = read_texts(reader, {"text_2", "documents", "data_2"});
    if (reader.status() && first.size() != 1 && first.size() != second.size()) {
        reader.fail("text_1",
                    fmt::format("must be one text, or as many as text_2 has: {} to {}", first.size(), second.size()));
    }
}

/// vLLM's switch under its three names; on unless one says no.
bool read_activation(json::Reader& reader) {
    bool wanted = true;
    for (const std::string_view name : {"activation", "use_activation", "softmax"}) {
        wanted = reader.boolean(name).value_or(true) && wanted;
    }
    return wanted;
}

std::vector<double> cosines(const encoder::EncodeResult& rows, size_t firsts) {
    std::vector<double> out;
    for (size_t i = firsts; i < rows.prompt_tokens.size(); ++i) {
        const float* left = rows.row(firsts == 1 ? 0 : i - firsts);
        out.push_back(std::inner_product(left, left + rows.width, rows.row(i), 0.0));
    }
    return out;
}

}  // namespace

Answer score(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    Call call;
    std::vector<std::string> first, second;
    read_common(reader, call);
    read_scored(reader, first, second);
    call.request.raw_scores = !read_activation(reader);
    if (auto error = close(reader, exchange)) {
        co_return std::move(*error);
    }
    const std::string model = call.model;
    const bool cosine = embeds(services, model);
    if (cosine) {  // by the cosines of the vectors
        call.request.normalize = true;
        call.request.inputs.assign(first.begin(), first.end());
        call.request.inputs.insert(call.request.inputs.end(), second.begin(), second.end());
    } else {
        call.request.task = encoder::Task::kScore;
        for (size_t i = 0; i < second.size(); ++i) {
            call.request.inputs.emplace_back(encoder::TextPair{first[first.size() == 1 ? 0 : i], second[i]});
        }
    }
    const std::string id = "score-" + services.new_id();
    const auto result = co_await run(services, exchange, std::move(call), id);
    if (!result) {
        co_return ApiError(result.error());
    }
    const std::vector<double> scores =
        cosine ? cosines(*result, first.size()) : std::vector<double>(result->values.begin(), result->values.end());
    bj::array data;
    for (const double one : scores) {
        data.emplace_back(bj::object{{"index", data.size()}, {"object", "score"}, {"score", one}});
    }
    co_return api::json_response(list_of(id, model, std::move(data), result->tokens()));
}

Answer classify(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    Call call;
    read_common(reader, call);
    call.request.task = encoder::Task::kClassify;
    for (std::string& text : read_texts(reader, {"input"})) {
        call.request.inputs.emplace_back(std::move(text));
    }
    call.request.raw_scores = !read_activation(reader);
    if (auto error = close(reader, exchange)) {
        co_return std::move(*error);
    }
    const std::string model = call.model;
    const std::string id = "classify-" + services.new_id();
    const auto result = co_await run(services, exchange, std::move(call), id);
    if (!result) {
        co_return ApiError(result.error());
    }
    std::vector<std::string> labels;
    if (const auto status = services.fleet.describe(model); status && status->encoder) {
        labels = status->encoder->labels;
    }
    bj::array data;
    for (size_t i = 0; i < result->prompt_tokens.size(); ++i) {
        const float* row = result->row(i);
        const auto best = static_cast<size_t>(std::max_element(row, row + result->width) - row);
        data.emplace_back(bj::object{{"index", i},
                                     {"label", best < labels.size() ? bj::value(labels[best]) : bj::value(nullptr)},
                                     {"probs", bj::array(row, row + result->width)},
                                     {"num_classes", result->width}});
    }
    co_return api::json_response(list_of(id, model, std::move(data), result->tokens()));
}

}  // namespace gantry::dialects::encode
