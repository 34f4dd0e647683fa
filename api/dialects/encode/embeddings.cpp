#include <fmt/core.h>

#include <limits>

#include "api/dialects/encode/base64.hpp"
#include "api/dialects/encode/handlers.hpp"

namespace gantry::dialects::encode {

namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;
using encoder::Input;

namespace {

bool read_ids(const bj::array& list, std::vector<int32_t>& out) {
    for (const bj::value& item : list) {
        const auto id = json::whole(item);
        if (!id || *id < 0 || *id > std::numeric_limits<int32_t>::max()) {
            return false;
        }
        out.push_back(static_cast<int32_t>(*id));
    }
    return !out.empty();
}

/// One member of a list: a text, an object with one, or token ids.
Input read_one(json::Reader& reader, const std::string& path, const bj::value& value) {
    const bj::array* list = value.if_array();
    if (list == nullptr) {
        return Input(read_text(reader, path, value));
    }
    std::vector<int32_t> ids;
    if (!read_ids(*list, ids)) {
        reader.fail(path, "must be a text, or a list of token ids that are whole numbers from 0 on");
    }
    return Input(std::move(ids));
}

std::vector<Input> read_inputs(json::Reader& reader) {
    const bj::value* input = reader.any("input");
    if (input == nullptr) {
        reader.fail("input", "is missing; a text, a list of texts, or token ids are needed");
        return {};
    }
    const bj::array* list = input->if_array();
    if (list == nullptr) {
        return {Input(read_text(reader, "input", *input))};
    }
    if (!list->empty() && list->front().is_number()) {
        return {read_one(reader, "input", *input)};
    }
    if (list->empty() || list->size() > kMaxInputs) {
        reader.fail("input", fmt::format("must have 1 to {} members, not {}", kMaxInputs, list->size()),
                    "send several requests: they are computed together");
        return {};
    }
    std::vector<Input> out;
    out.reserve(list->size());
    for (size_t i = 0; i < list->size(); ++i) {
        out.push_back(read_one(reader, fmt::format("input[{}]", i), (*list)[i]));
    }
    return out;
}

/// Cohere's, Voyage's and NVIDIA's words for the two kinds of texts.
std::string read_input_type(json::Reader& reader) {
    const auto type = reader.choice("input_type", {"query", "search_query", "document", "search_document", "passage"});
    return !type ? "" : *type == "query" || *type == "search_query" ? "query" : "document";
}

std::string render(const encoder::EncodeResult& result, const std::string& model, bool base64) {
    std::string out = R"({"object":"list","model":)" + bj::serialize(bj::value(model)) + R"(,"model_replica":)" +
                      bj::serialize(bj::value(model + "-rep0")) + R"(,"data":[)";
    const size_t row_bytes = result.width * sizeof(float);
    out.reserve(out.size() + result.prompt_tokens.size() * (base64 ? row_bytes * 4 / 3 + 80 : result.width * 13 + 80));
    for (size_t i = 0; i < result.prompt_tokens.size(); ++i) {
        out += i == 0 ? "" : ",";
        out += R"({"index":)" + std::to_string(i) + R"(,"object":"embedding","embedding":)";
        const float* row = result.row(i);
        if (base64) {
            out += '"';
            append_base64({reinterpret_cast<const char*>(row), row_bytes}, out);
            out += "\"}";
            continue;
        }
        for (size_t k = 0; k < result.width; ++k) {
            out += k == 0 ? '[' : ',';
            append_float(row[k], out);
        }
        out += "]}";
    }
    out += R"(],"usage":)" + bj::serialize(usage(result.tokens())) + '}';
    return out;
}

}  // namespace

Answer embeddings(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    Call call;
    read_common(reader, call);
    call.request.inputs = read_inputs(reader);
    const std::string format = reader.choice("encoding_format", {"float", "base64"}).value_or("float");
    if (const auto dimensions = reader.integer("dimensions", 1, std::numeric_limits<int32_t>::max())) {
        call.request.dimensions = static_cast<uint32_t>(*dimensions);
    }
    // Xinference's and Text Embeddings Inference's names.
    for (const std::string_view name : {"normalize_embeddings", "normalize"}) {
        if (const auto normalize = reader.boolean(name)) {
            call.request.normalize = *normalize;
        }
    }
    call.request.prompt_name = reader.string("prompt_name").value_or("");
    call.request.input_type = read_input_type(reader);
    call.request.add_special = reader.boolean("add_special_tokens").value_or(true);
    if (auto error = close(reader, exchange)) {
        co_return std::move(*error);
    }
    const std::string model = call.model;
    const auto result = co_await run(services, exchange, std::move(call), "embd-" + services.new_id());
    if (!result) {
        co_return ApiError(result.error());
    }
    co_return json_text(render(*result, model, format == "base64"));
}

}  // namespace gantry::dialects::encode
