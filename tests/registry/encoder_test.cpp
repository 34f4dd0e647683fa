// What the readers make of encoders: sentence-transformers folders, classification heads, GGUF.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/registry.hpp"
#include "tests/registry/files.hpp"

namespace gantry::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::replaced;
using testing::slurp;
using testing::spill;
using testing::TempFolder;
using Task = EncoderInfo::Task;

std::filesystem::path encoder(const std::string& name) {
    return std::filesystem::path(GANTRY_SOURCE_DIR) / "tests/plugins/encoders" / name;
}

struct Case {
    std::string name;
    std::string architecture;
    Task task;
    int32_t pooling;
    bool normalize;
    uint32_t max_tokens;
    uint32_t width;
};

class Encoders : public ::testing::TestWithParam<Case> {};

TEST_P(Encoders, AreDescribedAsTheirFilesSay) {
    const auto& want = GetParam();
    const auto m = load_manifest(encoder(want.name));
    ASSERT_TRUE(m) << m.error().text();
    EXPECT_EQ(m->architecture, want.architecture);
    ASSERT_TRUE(m->encoder);
    EXPECT_EQ(m->encoder->task, want.task);
    EXPECT_EQ(m->encoder->pooling, want.pooling);
    EXPECT_EQ(m->encoder->normalize, want.normalize);
    EXPECT_EQ(m->encoder->max_tokens, want.max_tokens);
    EXPECT_EQ(m->encoder->width, want.width);
    EXPECT_EQ(std::get<std::string>(m->hyper.at("encoder.pooling")), pooling_name(want.pooling));
}

INSTANTIATE_TEST_SUITE_P(
    Families, Encoders,
    ::testing::Values(Case{"bert", "bert", Task::kEmbed, GANTRY_POOLING_MEAN, true, 36, 32},
                      Case{"bert_cls_dense", "bert", Task::kEmbed, GANTRY_POOLING_CLS, false, 36, 24},
                      Case{"bert_rerank", "bert", Task::kRerank, GANTRY_POOLING_SCORES, false, 38, 1},
                      Case{"roberta_classify", "roberta", Task::kClassify, GANTRY_POOLING_SCORES, false, 38, 3},
                      Case{"xlm_roberta", "xlm-roberta", Task::kEmbed, GANTRY_POOLING_CLS, true, 36, 32},
                      Case{"distilbert", "distilbert", Task::kEmbed, GANTRY_POOLING_MEAN, false, 36, 32},
                      Case{"distilbert_classify", "distilbert", Task::kClassify, GANTRY_POOLING_SCORES, false, 38, 2},
                      Case{"modernbert", "modernbert", Task::kEmbed, GANTRY_POOLING_CLS, true, 36, 32},
                      Case{"modernbert_rerank", "modernbert", Task::kRerank, GANTRY_POOLING_SCORES, false, 38, 1},
                      Case{"nomic_bert", "nomic-bert", Task::kEmbed, GANTRY_POOLING_MEAN, true, 36, 32},
                      Case{"gte", "gte", Task::kEmbed, GANTRY_POOLING_CLS, true, 36, 32},
                      Case{"gte_rerank", "gte", Task::kRerank, GANTRY_POOLING_SCORES, false, 38, 1},
                      Case{"qwen3_embedding", "qwen3", Task::kEmbed, GANTRY_POOLING_LAST, true, 36, 32},
                      Case{"qwen3_embedding.gguf", "qwen3", Task::kEmbed, GANTRY_POOLING_LAST, true, 64, 32},
                      Case{"qwen3_reranker", "qwen3", Task::kRerank, GANTRY_POOLING_SCORES, false, 38, 1},
                      Case{"bert.gguf", "bert", Task::kEmbed, GANTRY_POOLING_MEAN, true, 40, 32},
                      Case{"bert_rerank.gguf", "bert", Task::kRerank, GANTRY_POOLING_SCORES, false, 40, 1}),
    [](const auto& info) {
        std::string name = info.param.name;
        std::ranges::replace(name, '.', '_');
        return name;
    });

TEST(EncoderFiles, GgufAndSafetensorsGiveTheSameTensorsAndHyperparameters) {
    for (const std::string name : {"bert", "bert_rerank"}) {
        auto hf = load_manifest(encoder(name)).value();
        const auto gguf = load_manifest(encoder(name + ".gguf")).value();
        EXPECT_EQ(hf.tensors.size(), gguf.tensors.size());
        for (const auto& t : hf.tensors) {
            const auto* other = gguf.find(t.name);
            ASSERT_NE(other, nullptr) << t.name;
            EXPECT_EQ(t.shape, other->shape) << t.name;
            EXPECT_TRUE(std::ranges::equal(hf.data(t), gguf.data(*other))) << t.name;
        }
        EXPECT_EQ(hf.hyper, gguf.hyper);
    }
}

TEST(EncoderFiles, PositionsOfRobertaBeginAfterThePadding) {
    const auto m = load_manifest(encoder("xlm_roberta")).value();
    EXPECT_EQ(std::get<int64_t>(m.hyper.at("position.offset")), 2);
    EXPECT_EQ(m.context_length, 40U);
}

TEST(EncoderFiles, LabelsAndActivationsComeFromTheConfiguration) {
    const auto classify = load_manifest(encoder("roberta_classify")).value();
    EXPECT_THAT(classify.encoder->labels, ElementsAre("LABEL_0", "LABEL_1", "LABEL_2"));
    EXPECT_EQ(classify.encoder->activation, EncoderInfo::Activation::kSoftmax);
    const auto rerank = load_manifest(encoder("bert_rerank")).value();
    EXPECT_EQ(rerank.encoder->activation, EncoderInfo::Activation::kSigmoid);
}

TEST(EncoderFiles, LanguageModelsThatAnswerYesOrNoAreRerankers) {
    const auto m = load_manifest(encoder("qwen3_reranker")).value();
    EXPECT_EQ(std::get<int64_t>(m.hyper.at("head.yes_token")), 10);
    EXPECT_EQ(std::get<int64_t>(m.hyper.at("head.no_token")), 11);
    EXPECT_THAT(m.encoder->pair_template, HasSubstr("<Query>: {query}\n<Document>: {document}<|im_end|>"));
    EXPECT_EQ(m.encoder->activation, EncoderInfo::Activation::kSigmoid);
    EXPECT_FALSE(load_manifest(testing::fixture("qwen3")).value().encoder);
}

TEST(EncoderFiles, PromptsOfEmbeddersThatAreLanguageModelsAreRead) {
    const auto m = load_manifest(encoder("qwen3_embedding")).value();
    EXPECT_EQ(m.encoder->prompts.at("query"), "Instruct: find it\nQuery:");
    EXPECT_THAT(m.encoder->dimensions, ElementsAre(16U, 32U));
    EXPECT_FALSE(m.hyper.contains("attention.causal"));
}

/// A copy of an encoder's folder that a test changes.
class Changed {
  public:
    explicit Changed(const std::string& name) {
        std::filesystem::copy(encoder(name), folder_.path(), std::filesystem::copy_options::recursive);
    }
    void replace(const std::string& file, const std::string& from, const std::string& to) {
        spill(folder_ / file, replaced(slurp(folder_ / file), from, to));
    }
    const std::filesystem::path& path() const { return folder_.path(); }

  private:
    TempFolder folder_;
};

TEST(EncoderFiles, PromptsAndWidthsAreRead) {
    Changed model("bert");
    spill(model.path() / "config_sentence_transformers.json",
          R"({"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": "document",
              "similarity_fn_name": "dot", "truncate_dim": 16})");
    const auto m = load_manifest(model.path());
    ASSERT_TRUE(m) << m.error().text();
    EXPECT_EQ(m->encoder->prompts.at("query"), "query: ");
    EXPECT_EQ(m->encoder->default_prompt_name, "document");
    EXPECT_EQ(m->encoder->similarity, "dot");
    EXPECT_THAT(m->encoder->dimensions, ElementsAre(16U, 32U));
}

TEST(EncoderFiles, CrossEncodersMayAskForScoresAsTheyAre) {
    Changed model("bert_rerank");
    model.replace("config.json", "\"architectures\"",
                  R"("sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}, "architectures")");
    EXPECT_EQ(load_manifest(model.path()).value().encoder->activation, EncoderInfo::Activation::kNone);
}

TEST(EncoderFiles, WhatCannotBeComputedIsRefusedByName) {
    struct Refusal {
        std::string model, file, from, to, says;
    };
    const Refusal refusals[] = {
        {"bert", "1_Pooling/config.json", "\"pooling_mode_lasttoken\": false", "\"pooling_mode_lasttoken\": true",
         "several poolings"},
        {"bert", "1_Pooling/config.json", "\"pooling_mode_max_tokens\": false", "\"pooling_mode_max_tokens\": true",
         "pooling_mode_max_tokens"},
        {"bert", "modules.json", "models.Normalize", "models.WordWeights", "WordWeights"},
        {"bert", "modules.json", "1_Pooling", "../1_Pooling", "modules.json"},
        {"bert", "config.json", "\"gelu\"", "\"mish\"", "mish"},
        {"bert", "config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 5", "num_attention_heads"},
        {"bert", "config.json", "\"is_decoder\": false", "\"is_decoder\": true", "is_decoder"},
        {"bert_cls_dense", "2_Dense/config.json", "activation.Tanh", "activation.SiLU", "activation_function"},
    };
    for (const auto& r : refusals) {
        SCOPED_TRACE(r.to);
        Changed model(r.model);
        model.replace(r.file, r.from, r.to);
        const auto m = load_manifest(model.path());
        ASSERT_FALSE(m);
        EXPECT_THAT(m.error().text(), HasSubstr(r.says));
    }
}

}  // namespace
}  // namespace gantry::registry
