#include <gmock/gmock.h>

#include "tests/api/api_fixture.hpp"

namespace gantry::test {
namespace {

using ::testing::HasSubstr;

class EncodeTest : public ApiTest {
  protected:
    EncodeTest() {
        add("emb", "embed");
        add("rank", "rerank");
        add("labels", "classify").encoder->labels = {"good", "bad"};
    }
    fleet::ModelStatus& add(const std::string& uid, const std::string& ability) {
        fleet::ModelStatus& model = fleet.add(uid);
        model.abilities = {ability};
        model.encoder.emplace();
        model.encoder->width = 3;
        return model;
    }
    encoder::EncodeRequest last() const {
        return fleet.encodes.empty() ? encoder::EncodeRequest() : fleet.encodes.back();
    }
};

TEST_F(EncodeTest, EmbeddingsAreListedInTheOrderOfTheInputs) {
    const Reply reply = post("/v1/embeddings", R"({"model": "emb", "input": ["a", "bcd"]})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.json(), bj::parse(R"({"object": "list", "model": "emb", "model_replica": "emb-rep0", "data": [
        {"index": 0, "object": "embedding", "embedding": [0, 1, 1]},
        {"index": 1, "object": "embedding", "embedding": [1, 3, 1]}], "usage": {"prompt_tokens": 4, "total_tokens": 4}})"));
}

TEST_F(EncodeTest, Base64IsLittleEndianFloats) {
    const Reply reply = post("/v1/embeddings", R"({"model": "emb", "input": "a", "encoding_format": "base64"})");
    EXPECT_EQ(reply.json().at("data").at(0).at("embedding"), "AAAAAAAAgD8AAIA/");
}

TEST_F(EncodeTest, InputsComeInEveryForm) {
    struct Row {
        const char* input;
        std::vector<encoder::Input> expected;
    };
    const Row rows[] = {
        {R"("text")", {std::string("text")}},
        {R"(["a", {"text": "b"}])", {std::string("a"), std::string("b")}},
        {"[1, 2]", {std::vector<int32_t>{1, 2}}},
        {R"([[1, 2], "c"])", {std::vector<int32_t>{1, 2}, std::string("c")}},
    };
    for (const Row& row : rows) {
        const Reply reply = post("/v1/embeddings", std::string(R"({"model": "emb", "input": )") + row.input + "}");
        ASSERT_EQ(reply.status, 200) << reply.body;
        EXPECT_EQ(last().inputs, row.expected) << row.input;
    }
}

TEST_F(EncodeTest, FieldsReachTheModel) {
    const Reply reply = post("/v1/embeddings",
                             R"({"model": "emb", "input": "a", "dimensions": 2, "user": "ann", "priority": 3,
        "deadline_ms": 500, "truncate_prompt_tokens": -5, "normalize_embeddings": false, "prompt_name": "q",
        "input_type": "search_query", "add_special_tokens": false, "shoe_size": 44})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    const encoder::EncodeRequest request = last();
    EXPECT_EQ(request.dimensions, 2U);
    EXPECT_EQ(request.share_key, "ann");
    EXPECT_EQ(request.priority, 3);
    EXPECT_EQ(request.deadline_ms, 500U);
    EXPECT_EQ(request.truncate_prompt_tokens, -1);
    EXPECT_EQ(request.normalize, false);
    EXPECT_EQ(request.prompt_name, "q");
    EXPECT_EQ(request.input_type, "query");
    EXPECT_FALSE(request.add_special);
    EXPECT_EQ(reply.header("X-Gantry-Ignored"), "shoe_size");
    EXPECT_FALSE(request.id.empty());
}

TEST_F(EncodeTest, CohereGetsItsForms) {
    const Reply v1 = post("/v1/embed", R"({"model": "emb", "texts": ["a"], "input_type": "search_query"})");
    ASSERT_EQ(v1.status, 200) << v1.body;
    EXPECT_EQ(v1.json().at("embeddings"), bj::parse("[[0, 1, 1]]"));
    EXPECT_EQ(v1.json().at("response_type"), "embeddings_floats");
    EXPECT_EQ(last().input_type, "query");
    EXPECT_EQ(last().truncate_prompt_tokens, -1) << "what Cohere does unless it is told not to";
    const Reply v2 = post("/v2/embed", R"({"model": "emb", "inputs": [{"content": [{"type": "text", "text": "a"}]}],
        "embedding_types": ["base64", "float"], "truncate": "NONE", "output_dimension": 2})");
    ASSERT_EQ(v2.status, 200) << v2.body;
    EXPECT_EQ(v2.json().at("embeddings"), bj::parse(R"({"float": [[0, 1]], "base64": ["AAAAAAAAgD8="]})"));
    EXPECT_EQ(v2.json().at("texts"), bj::parse(R"(["a"])"));
    EXPECT_EQ(v2.json().at("meta").at("billed_units").at("input_tokens"), 2);
    EXPECT_EQ(last().dimensions, 2U);
    EXPECT_FALSE(last().truncate_prompt_tokens);
}

TEST_F(EncodeTest, BadRequestsNameTheField) {
    struct Row {
        const char *path, *body, *param;
    };
    const Row rows[] = {
        {"/v1/embeddings", R"({"input": "a"})", "model"},
        {"/v1/embeddings", R"({"model": "emb"})", "input"},
        {"/v1/embeddings", R"({"model": "emb", "input": []})", "input"},
        {"/v1/embeddings", R"({"model": "emb", "input": ["a", 5]})", "input[1]"},
        {"/v1/embeddings", R"({"model": "emb", "input": [1, -5]})", "input"},
        {"/v1/embeddings", R"({"model": "emb", "input": "a", "dimensions": 0})", "dimensions"},
        {"/v1/embeddings", R"({"model": "emb", "input": "a", "encoding_format": "hex"})", "encoding_format"},
        {"/v1/embeddings", R"({"model": "emb", "input": "a", "truncate_prompt_tokens": 0})", "truncate_prompt_tokens"},
        {"/v2/embed", R"({"model": "emb"})", "texts"},
        {"/v2/embed", R"({"model": "emb", "texts": ["a"], "embedding_types": ["int8"]})", "embedding_types"},
        {"/v2/embed", R"({"model": "emb", "texts": ["a"], "input_type": "image"})", "input_type"},
        {"/v2/embed", R"({"model": "emb", "images": ["data:"]})", "images"},
        {"/v2/embed", R"({"model": "emb", "inputs": [{}]})", "inputs[0].content"},
        {"/v1/embed", R"({"model": "emb", "texts": ["a"], "truncate": "START"})", "truncate"},
        {"/v1/rerank", R"({"model": "rank", "documents": ["a"]})", "query"},
        {"/v1/rerank", R"({"model": "rank", "query": "a"})", "documents"},
        {"/v1/rerank", R"({"model": "rank", "query": "a", "documents": ["a"], "top_n": 0})", "top_n"},
        {"/v1/score", R"({"model": "rank", "text_1": ["a", "b"], "text_2": ["c"]})", "text_1"},
        {"/v1/classify", R"({"model": "labels"})", "input"},
        {"/tokenize", R"({"model": "emb"})", "prompt"},
        {"/detokenize", R"({"model": "emb"})", "tokens"},
        {"/v1/convert_ids_to_tokens", R"({"model": "emb", "input": 5})", "input"},
    };
    for (const Row& row : rows) {
        const Reply reply = post(row.path, row.body);
        EXPECT_EQ(reply.status, 400) << row.body;
        EXPECT_EQ(reply.param(), row.param) << reply.body;
    }
    EXPECT_TRUE(fleet.encodes.empty());
}

TEST_F(EncodeTest, ErrorsOfTheModelKeepTheirStatus) {
    EXPECT_EQ(post("/v1/embeddings", R"({"model": "nobody", "input": "a"})").status, 404);
    fleet.encode_error = Error(Code::kResourceExhausted, "the queue is full", "try again in 7 s");
    const Reply reply = post("/v1/embeddings", R"({"model": "emb", "input": "a"})");
    EXPECT_EQ(reply.status, 429);
    EXPECT_EQ(reply.header("Retry-After"), "7");
}

TEST_F(EncodeTest, RerankPutsTheBestFirstAndKeepsTheIndices) {
    const Reply reply =
        post("/v1/rerank", R"({"model": "rank", "query": "q", "documents": ["a", "abc", {"text": "ab"}], "top_n": 2})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    const bj::value body = reply.json();
    const bj::array& results = body.at("results").as_array();
    ASSERT_EQ(results.size(), 2U);
    EXPECT_EQ(results[0].at("index"), 1);
    EXPECT_EQ(results[1].at("index"), 2);
    EXPECT_TRUE(results[0].at("document").is_null());
    EXPECT_TRUE(body.at("meta").at("tokens").is_null());
    EXPECT_EQ(last().task, encoder::Task::kScore);
    EXPECT_EQ(last().inputs.front(), encoder::Input(encoder::TextPair{"q", "a"}));
    EXPECT_EQ(last().truncate_prompt_tokens, std::nullopt);
}

TEST_F(EncodeTest, RerankFormsDiffer) {
    const char* body = R"({"model": "rank", "query": "q", "documents": ["a"], "return_len": true})";
    const bj::value jina = post("/rerank", body).json();
    EXPECT_EQ(jina.at("results").at(0).at("document"), bj::parse(R"({"text": "a"})"));
    EXPECT_EQ(jina.at("meta").at("tokens").at("input_tokens"), 2);
    EXPECT_EQ(post("/v2/rerank", body).status, 200);
    EXPECT_EQ(last().truncate_prompt_tokens, -1);
}

TEST_F(EncodeTest, AnEmbedderRanksByCosines) {
    const Reply reply = post("/v1/rerank", R"({"model": "emb", "query": "abc", "documents": ["a", "abc"]})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    ASSERT_EQ(fleet.encodes.size(), 2U);
    EXPECT_EQ(fleet.encodes[0].input_type, "query");
    EXPECT_EQ(fleet.encodes[1].input_type, "document");
    EXPECT_EQ(fleet.encodes[1].normalize, true);
}

TEST_F(EncodeTest, ScoresOnePairOrMany) {
    const bj::value one = post("/v1/score", R"({"model": "rank", "text_1": "q", "text_2": ["a", "abc"]})").json();
    EXPECT_EQ(one.at("data").as_array().size(), 2U);
    EXPECT_EQ(one.at("data").at(1).at("object"), "score");
    (void)post("/score", R"({"model": "rank", "queries": ["p", "q"], "documents": ["a", "b"], "activation": false})");
    EXPECT_EQ(last().inputs[1], encoder::Input(encoder::TextPair{"q", "b"}));
    EXPECT_TRUE(last().raw_scores);
}

TEST_F(EncodeTest, ClassifyNamesTheLabel) {
    const bj::value body = post("/v1/classify", R"({"model": "labels", "input": "abc"})").json();
    const bj::value& first = body.at("data").at(0);
    EXPECT_EQ(first.at("label"), "bad");
    EXPECT_EQ(first.at("num_classes"), 2);
}

TEST_F(EncodeTest, ModelsAreDescribedInXinferencesWords) {
    const bj::value emb = get("/v1/models/emb").json();
    EXPECT_EQ(emb.at("model_type"), "embedding");
    EXPECT_EQ(emb.at("dimensions"), 3);
    EXPECT_EQ(emb.at("model_ability"), bj::parse(R"(["embed"])"));
    EXPECT_EQ(get("/v1/models/rank").json().at("model_type"), "rerank");
    EXPECT_EQ(post("/v1/models", R"({"model_name": "x", "model_type": "embedding"})").status, 200);
    EXPECT_EQ(post("/v1/models", R"({"model_name": "y", "model_type": "image"})").status, 400);
}

}  // namespace
}  // namespace gantry::test
