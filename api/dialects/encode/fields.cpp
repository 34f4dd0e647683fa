#include "api/dialects/encode/fields.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>

#include "runtime/engine/request_checks.hpp"

namespace gantry::dialects::encode {

namespace asio = boost::asio;
namespace bj = boost::json;

void read_common(json::Reader& reader, Call& call) {
    call.model = reader.required_string("model");
    encoder::EncodeRequest& request = call.request;
    request.share_key = reader.string("user").value_or("");
    if (request.share_key.size() > engine::kMaxShareKey) {
        reader.fail("user", fmt::format("must have at most {} bytes", engine::kMaxShareKey));
    }
    request.priority = static_cast<int32_t>(reader.integer("priority", -1000, 1000).value_or(0));
    if (const auto deadline = reader.integer("deadline_ms", 1, engine::kMaxDeadlineMs)) {
        request.deadline_ms = static_cast<uint32_t>(*deadline);
    }
    // Xinference and vLLM take any negative number for "as much as the model takes".
    constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
    if (const auto cut = reader.integer("truncate_prompt_tokens", -kMost, kMost)) {
        if (*cut == 0) {
            reader.fail("truncate_prompt_tokens", "must be -1 or at least 1, not 0");
        }
        request.truncate_prompt_tokens = static_cast<int32_t>(std::max<int64_t>(*cut, -1));
    }
    // Jina's and Text Embeddings Inference's word for the same.
    for (const std::string_view name : {"truncate", "truncation"}) {
        const bj::value* value = reader.any(name);
        if (value == nullptr) {
            continue;
        }
        const bool wanted = value->is_bool() ? value->get_bool() : *value == "END" || *value == "end";
        const bool plain = value->is_bool() || wanted || *value == "NONE" || *value == "none";
        if (!plain) {
            reader.fail(name, "must be true, false, \"END\" or \"NONE\"", "only the end of a text can be cut");
        } else if (wanted && !request.truncate_prompt_tokens) {
            request.truncate_prompt_tokens = -1;
        }
    }
}

std::string read_text(json::Reader& reader, std::string_view name, const bj::value& value) {
    if (value.is_string()) {
        return std::string(value.get_string());
    }
    const bj::object* object = value.if_object();
    const bj::value* text = object == nullptr ? nullptr : object->if_contains("text");
    if (text != nullptr && text->is_string()) {
        return std::string(text->get_string());
    }
    reader.fail(name, fmt::format("must be a text, or an object with a \"text\", not {}", json::kind_name(value)),
                "images and other media are not encoded");
    return {};
}

std::vector<std::string> read_texts(json::Reader& reader, std::initializer_list<std::string_view> names) {
    const bj::value* value = nullptr;
    std::string_view name = *names.begin();
    for (const std::string_view one : names) {
        const bj::value* given = reader.any(one);
        if (given != nullptr && value == nullptr) {
            value = given;
            name = one;
        }
    }
    if (value == nullptr) {
        reader.fail(name, "is missing; a text or a list of texts is needed");
        return {};
    }
    const bj::array* list = value->if_array();
    if (list == nullptr) {
        return {read_text(reader, name, *value)};
    }
    if (list->empty() || list->size() > kMaxInputs) {
        reader.fail(name, fmt::format("must have 1 to {} texts, not {}", kMaxInputs, list->size()));
        return {};
    }
    std::vector<std::string> out;
    out.reserve(list->size());
    for (size_t i = 0; i < list->size(); ++i) {
        out.push_back(read_text(reader, fmt::format("{}[{}]", name, i), (*list)[i]));
    }
    return out;
}

std::optional<api::ApiError> close(json::Reader& reader, api::Exchange& exchange) {
    if (!reader.status()) {
        return api::ApiError::from(reader);
    }
    exchange.ignored(reader.unknown());
    exchange.request.body.clear();
    exchange.request.body.shrink_to_fit();
    return std::nullopt;
}

asio::awaitable<Result<encoder::EncodeResult>> run(api::Services& services, api::Exchange& exchange, Call call,
                                                   std::string id) {
    call.request.id = std::move(id);
    call.request.traceparent = exchange.trace.text();
    auto result = co_await services.fleet.encode(std::move(call.model), std::move(call.request));
    if (result) {
        exchange.encoded_tokens += result->tokens();
    }
    co_return result;
}

bool embeds(const api::Services& services, std::string_view model) {
    const auto status = services.fleet.describe(model);
    return status && std::find(status->abilities.begin(), status->abilities.end(), "embed") != status->abilities.end();
}

void append_float(float value, std::string& out) {
    std::array<char, 32> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    out.append(text.data(), end);
}

bj::object usage(uint64_t tokens) { return {{"prompt_tokens", tokens}, {"total_tokens", tokens}}; }

int64_t unix_now() {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

api::Outcome json_text(std::string body) {
    http::Response response;
    response.headers.set("Content-Type", "application/json");
    response.body = std::move(body);
    return response;
}

}  // namespace gantry::dialects::encode
