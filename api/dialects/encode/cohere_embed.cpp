// POST /v1/embed and /v2/embed as Cohere's clients call them.

#include <fmt/core.h>

#include <limits>

#include "api/dialects/encode/base64.hpp"
#include "api/dialects/encode/handlers.hpp"

namespace gantry::dialects::encode {

namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

struct Forms {
    bool floats = false, base64 = false;
};

/// "inputs": a list of {"content": [{"type": "text", "text": "..."}, ...]}, whose parts are one text.
std::vector<std::string> read_inputs(json::Reader& reader, const bj::array& inputs) {
    std::vector<std::string> out;
    for (const bj::value& input : inputs) {
        const std::string path = fmt::format("inputs[{}].content", out.size());
        const bj::object* object = input.if_object();
        const bj::value* content = object == nullptr ? nullptr : object->if_contains("content");
        if (content == nullptr || !content->is_array() || content->get_array().empty()) {
            reader.fail(path, "must be a list of parts");
            return {};
        }
        std::string text;
        for (const bj::value& part : content->get_array()) {
            text += (text.empty() ? "" : "\n") + read_text(reader, path, part);
        }
        out.push_back(std::move(text));
    }
    if (out.empty() || out.size() > kMaxInputs) {
        reader.fail("inputs", fmt::format("must have 1 to {} members, not {}", kMaxInputs, out.size()));
    }
    return out;
}

std::vector<std::string> read_all_texts(json::Reader& reader) {
    if (const bj::array* images = reader.array("images"); images != nullptr && !images->empty()) {
        reader.fail("images", "cannot be encoded: the models here read text");
    }
    const bj::array* inputs = reader.array("inputs");
    return inputs != nullptr ? read_inputs(reader, *inputs) : read_texts(reader, {"texts"});
}

Forms read_forms(json::Reader& reader) {
    Forms out;
    for (const std::string& type : reader.strings("embedding_types").value_or(std::vector<std::string>{"float"})) {
        out.floats |= type == "float";
        out.base64 |= type == "base64";
        if (type != "float" && type != "base64") {
            reader.fail("embedding_types", fmt::format("\"{}\" is not made here", type), "ask for float or base64");
        }
    }
    return out;
}

void read_options(json::Reader& reader, encoder::EncodeRequest& request) {
    const auto type = reader.choice("input_type", {"search_document", "search_query", "classification", "clustering"});
    if (type == "search_query" || type == "search_document") {
        request.input_type = type->substr(sizeof("search_") - 1);
    }
    if (const auto dimension = reader.integer("output_dimension", 1, std::numeric_limits<int32_t>::max())) {
        request.dimensions = static_cast<uint32_t>(*dimension);
    }
    const bj::value* truncate = reader.any("truncate");
    if (truncate == nullptr || *truncate == "END") {
        request.truncate_prompt_tokens = -1;  // what Cohere does unless it is told not to
    }
    if (const auto most = reader.integer("max_tokens", 1, std::numeric_limits<int32_t>::max());
        most && request.truncate_prompt_tokens) {
        request.truncate_prompt_tokens = static_cast<int32_t>(*most);
    }
}

/// One list a form, of one member a text.
std::string rows(const encoder::EncodeResult& result, bool base64) {
    std::string out = "[";
    for (size_t i = 0; i < result.prompt_tokens.size(); ++i) {
        out += i == 0 ? "" : ",";
        const float* row = result.row(i);
        if (base64) {
            out += '"';
            append_base64({reinterpret_cast<const char*>(row), result.width * sizeof(float)}, out);
            out += '"';
            continue;
        }
        for (size_t k = 0; k < result.width; ++k) {
            out += k == 0 ? '[' : ',';
            append_float(row[k], out);
        }
        out += ']';
    }
    return out + ']';
}

/// `by_type`: the lists stand under the names of their forms.
std::string render(const encoder::EncodeResult& result, const Forms& forms, bool by_type, std::string_view version,
                   const std::string& id, const bj::array& texts) {
    std::string embeddings = rows(result, false);
    if (by_type) {
        embeddings = forms.floats ? R"("float":)" + embeddings : std::string();
        if (forms.base64) {
            embeddings += (embeddings.empty() ? "" : ",") + (R"("base64":)" + rows(result, true));
        }
        embeddings = '{' + embeddings + '}';
    }
    const bj::object meta{{"api_version", bj::object{{"version", version}}},
                          {"billed_units", bj::object{{"input_tokens", result.tokens()}}}};
    return fmt::format(R"({{"id":{},"response_type":"{}","embeddings":{},"texts":{},"meta":{}}})",
                       bj::serialize(bj::value(id)), by_type ? "embeddings_by_type" : "embeddings_floats", embeddings,
                       bj::serialize(texts), bj::serialize(meta));
}

Answer embed(Services& services, Exchange& exchange, std::string_view version) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    Call call;
    read_common(reader, call);
    const std::vector<std::string> given = read_all_texts(reader);
    call.request.inputs.assign(given.begin(), given.end());
    const bj::array texts(given.begin(), given.end());
    const bool by_type = version == "2" || body->contains("embedding_types");
    const Forms forms = read_forms(reader);
    read_options(reader, call.request);
    if (auto error = close(reader, exchange)) {
        co_return std::move(*error);
    }
    const std::string id = "embd-" + services.new_id();
    const auto result = co_await run(services, exchange, std::move(call), id);
    if (!result) {
        co_return ApiError(result.error());
    }
    co_return json_text(render(*result, forms, by_type, version, id, texts));
}

}  // namespace

Answer cohere_embed_v1(Services& services, Exchange& exchange) { return embed(services, exchange, "1"); }

Answer cohere_embed_v2(Services& services, Exchange& exchange) { return embed(services, exchange, "2"); }

}  // namespace gantry::dialects::encode
