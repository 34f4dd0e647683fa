#include <algorithm>
#include <limits>
#include <numeric>

#include "api/dialects/encode/handlers.hpp"

namespace gantry::dialects::encode {

namespace asio = boost::asio;
namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Outcome;
using api::Services;

namespace {

struct Form {
    bool documents = false;  ///< returned where the request does not say
    bool cut = false;        ///< what is too long is cut, as that API has it
};

struct Rerank {
    Call call;
    std::string query;
    std::vector<std::string> documents;
    std::optional<size_t> top_n;
    bool return_documents = false;
    bool return_len = false;
};

Rerank decode(json::Reader& reader, const Form& form) {
    Rerank out;
    read_common(reader, out.call);
    if (form.cut && !out.call.request.truncate_prompt_tokens) {
        out.call.request.truncate_prompt_tokens = -1;
    }
    if (const bj::value* query = reader.any("query")) {
        out.query = read_text(reader, "query", *query);
    } else {
        reader.fail("query", "is missing; a text is needed");
    }
    out.documents = read_texts(reader, {"documents", "texts"});
    if (const auto top = reader.integer("top_n", 1, std::numeric_limits<int32_t>::max())) {
        out.top_n = static_cast<size_t>(*top);
    }
    out.return_documents = reader.boolean("return_documents").value_or(form.documents);
    out.return_len = reader.boolean("return_len").value_or(false);
    out.call.request.raw_scores = reader.boolean("raw_scores").value_or(false);
    return out;
}

/// What both kinds of models come down to.
struct Scores {
    std::vector<double> of_documents;
    uint64_t tokens = 0;
};

void add_pairs(const Rerank& rerank, encoder::EncodeRequest& request) {
    request.task = encoder::Task::kScore;
    request.inputs.reserve(rerank.documents.size());
    for (const std::string& document : rerank.documents) {
        request.inputs.emplace_back(encoder::TextPair{rerank.query, document});
    }
}

Scores scores_of_pairs(const encoder::EncodeResult& result) {
    return {{result.values.begin(), result.values.end()}, result.tokens()};
}

/// An embedder reranks by the cosines of its vectors; the query's is the first row.
asio::awaitable<Result<Scores>> compare_vectors(Services& services, Exchange& exchange, const Rerank& rerank,
                                                std::string id) {
    Call query = rerank.call;
    query.request.normalize = true;
    Call documents = query;
    query.request.input_type = "query";
    query.request.inputs.emplace_back(rerank.query);
    documents.request.input_type = "document";
    documents.request.inputs.assign(rerank.documents.begin(), rerank.documents.end());
    std::string query_id = id + "-query";
    const auto left = co_await run(services, exchange, std::move(query), std::move(query_id));
    if (!left) {
        co_return left.error();
    }
    const auto right = co_await run(services, exchange, std::move(documents), std::move(id));
    if (!right) {
        co_return right.error();
    }
    Scores out;
    out.tokens = left->tokens() + right->tokens();
    for (size_t i = 0; i < right->prompt_tokens.size(); ++i) {
        const float* row = right->row(i);
        out.of_documents.push_back(std::inner_product(row, row + right->width, left->row(0), 0.0));
    }
    co_return out;
}

/// Cohere's, Jina's and Xinference's members side by side: each client reads its own.
bj::object render(const Rerank& rerank, const Scores& scores, const std::string& id) {
    std::vector<size_t> order(rerank.documents.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return scores.of_documents[a] > scores.of_documents[b]; });
    order.resize(std::min(order.size(), rerank.top_n.value_or(order.size())));
    bj::array results;
    for (const size_t index : order) {
        bj::value document = nullptr;
        if (rerank.return_documents) {
            document = bj::object{{"text", rerank.documents[index]}};
        }
        results.emplace_back(bj::object{
            {"index", index}, {"relevance_score", scores.of_documents[index]}, {"document", std::move(document)}});
    }
    bj::value tokens = nullptr;
    if (rerank.return_len) {
        tokens = bj::object{{"input_tokens", scores.tokens}, {"output_tokens", 0}};
    }
    bj::object meta{
        {"api_version", nullptr}, {"billed_units", nullptr}, {"tokens", std::move(tokens)}, {"warnings", nullptr}};
    return bj::object{{"id", id},
                      {"object", "list"},
                      {"model", rerank.call.model},
                      {"results", std::move(results)},
                      {"meta", std::move(meta)},
                      {"usage", usage(scores.tokens)}};
}

Answer answer(Services& services, Exchange& exchange, Form form) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    Rerank rerank = decode(reader, form);
    // Xinference's client sends the engine's arguments as JSON text; none of them has a meaning here.
    reader.known({"kwargs"});
    if (auto error = close(reader, exchange)) {
        co_return std::move(*error);
    }
    const std::string id = "rerank-" + services.new_id();
    Scores scores;
    if (embeds(services, rerank.call.model)) {
        auto compared = co_await compare_vectors(services, exchange, rerank, id);
        if (!compared) {
            co_return ApiError(compared.error());
        }
        scores = std::move(*compared);
    } else {
        Call call = rerank.call;
        add_pairs(rerank, call.request);
        const auto result = co_await run(services, exchange, std::move(call), id);
        if (!result) {
            co_return ApiError(result.error());
        }
        scores = scores_of_pairs(*result);
    }
    co_return api::json_response(render(rerank, scores, id));
}

}  // namespace

Answer rerank(Services& services, Exchange& exchange) { return answer(services, exchange, Form{}); }

Answer rerank_with_documents(Services& services, Exchange& exchange) {
    Form form;
    form.documents = true;
    return answer(services, exchange, form);
}

Answer rerank_v2(Services& services, Exchange& exchange) {
    Form form;
    form.cut = true;
    return answer(services, exchange, form);
}

}  // namespace gantry::dialects::encode
