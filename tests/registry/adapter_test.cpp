#include "registry/adapter.hpp"

#include <gantry/abi.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/registry/files.hpp"
#include "tests/registry/gguf_builder.hpp"

namespace gantry::registry {
namespace {

using testing::GgufBuilder;
using ::testing::HasSubstr;
using testing::spill;
using testing::TempFolder;

/// A safetensors image of one-row tensors with these names.
std::string image(const std::vector<std::string>& names) {
    std::string header = "{";
    for (size_t i = 0; i < names.size(); ++i) {
        header += (i == 0 ? "" : ",") + ("\"" + names[i]) + R"(":{"dtype":"F32","shape":[1,2],"data_offsets":[)" +
                  std::to_string(8 * i) + "," + std::to_string(8 * (i + 1)) + "]}";
    }
    header += "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const uint64_t length = header.size();
    std::string out(8, '\0');
    std::memcpy(out.data(), &length, 8);
    return out + header + std::string(8 * names.size(), '\0');
}

std::string peft(int layer, const std::string& module, const std::string& part) {
    return "base_model.model.model.layers." + std::to_string(layer) + "." + module + "." + part + ".weight";
}

class AdapterFiles : public ::testing::Test {
  protected:
    Result<ModelManifest> load(const std::string& config, const std::vector<std::string>& names) {
        spill(folder_.path() / "adapter_config.json", config);
        spill(folder_.path() / "adapter_model.safetensors", image(names));
        return load_adapter(folder_.path());
    }
    std::string refusal(const std::string& config, const std::vector<std::string>& names) {
        const auto loaded = load(config, names);
        return loaded ? "loaded" : loaded.error().message;
    }
    TempFolder folder_;
};

TEST_F(AdapterFiles, PeftFoldersAreBroughtIntoTheVocabulary) {
    const auto m = load(R"({"peft_type":"LORA","r":1,"lora_alpha":16,"use_rslora":true,"bias":"none"})",
                        {peft(0, "self_attn.q_proj", "lora_A"), peft(0, "self_attn.q_proj", "lora_B"),
                         peft(11, "mlp.down_proj", "lora_A.default"), peft(11, "self_attn.o_proj", "lora_B.default")});
    ASSERT_TRUE(m) << m.error().text();
    std::vector<std::string> names;
    for (const TensorEntry& t : m->tensors) {
        names.push_back(t.name);
    }
    EXPECT_THAT(names, ::testing::UnorderedElementsAre("layers.0.attn_q.lora_a", "layers.0.attn_q.lora_b",
                                                       "layers.11.ffn_down.lora_a", "layers.11.attn_out.lora_b"));
    EXPECT_EQ(std::get<double>(m->hyper.at("lora.alpha")), 16);
    EXPECT_TRUE(std::get<bool>(m->hyper.at("lora.rslora")));
    EXPECT_EQ(std::get<std::string>(m->hyper.at("rope.style")), "half");
    EXPECT_EQ(m->data(m->tensors[0]).size(), 8U);
}

TEST_F(AdapterFiles, WhatWouldBeLeftOutIsRefusedByName) {
    const std::vector<std::string> good = {peft(0, "self_attn.q_proj", "lora_A"),
                                           peft(0, "self_attn.q_proj", "lora_B")};
    const std::pair<const char*, const char*> cases[] = {
        {R"({"lora_alpha":8,"use_dora":true})", "use_dora"},
        {R"({"lora_alpha":8,"bias":"all"})", "bias"},
        {R"({"lora_alpha":8,"modules_to_save":["lm_head"]})", "modules_to_save"},
        {R"({"lora_alpha":8,"alpha_pattern":{"q_proj":4}})", "alpha_pattern"},
        {R"({"lora_alpha":8,"peft_type":"IA3"})", "IA3"},
        {R"({"r":4})", "lora_alpha"},
        {R"({"lora_alpha":"8"})", "lora_alpha"},
        {R"({"lora_alpha":)", "adapter_config.json"},
    };
    for (const auto& [config, reason] : cases) {
        EXPECT_THAT(refusal(config, good), HasSubstr(reason)) << config;
    }
    for (const std::string& name :
         {peft(0, "mlp.router", "lora_A"), std::string("base_model.model.lm_head.lora_A.weight"),
          peft(0, "self_attn.q_proj", "lora_magnitude_vector")}) {
        EXPECT_THAT(refusal(R"({"lora_alpha":8})", {name}), HasSubstr(name));
    }
}

TEST_F(AdapterFiles, WhatIsNotThereIsNotFound) {
    EXPECT_EQ(load_adapter(folder_.path()).error().code, Code::kNotFound);
    EXPECT_EQ(load_adapter(folder_.path() / "nothing").error().code, Code::kNotFound);
    spill(folder_.path() / "adapter_config.json", R"({"lora_alpha":8})");
    EXPECT_THAT(load_adapter(folder_.path()).error().message, HasSubstr("adapter_model.safetensors"));
}

TEST_F(AdapterFiles, GgufAdaptersKeepTheirOrderOfRows) {
    GgufBuilder b;
    b.text("general.architecture", "llama").text("general.type", "adapter").text("adapter.type", "lora");
    b.f32("adapter.lora.alpha", 32);
    b.tensor({"blk.3.attn_output.weight.lora_a", {2, 1}, GANTRY_DTYPE_F32, 8});
    b.tensor({"blk.3.attn_output.weight.lora_b", {1, 2}, GANTRY_DTYPE_F32, 8});
    const auto path = folder_.path() / "a.gguf";
    spill(path, b.build());
    const auto m = load_adapter(path);
    ASSERT_TRUE(m) << m.error().text();
    ASSERT_EQ(m->tensors.size(), 2U);
    EXPECT_EQ(m->tensors[0].name, "layers.3.attn_out.lora_a");
    EXPECT_EQ(m->tensors[0].shape, (std::vector<uint64_t>{1, 2}));
    EXPECT_EQ(m->tensors[1].name, "layers.3.attn_out.lora_b");
    EXPECT_EQ(std::get<double>(m->hyper.at("lora.alpha")), 32);
    EXPECT_EQ(std::get<std::string>(m->hyper.at("rope.style")), "interleaved");

    b.tensor({"output.weight.lora_a", {2, 1}, GANTRY_DTYPE_F32, 8});
    spill(path, b.build());
    EXPECT_THAT(load_adapter(path).error().message, HasSubstr("output.weight.lora_a"));
    GgufBuilder model;
    model.text("general.architecture", "llama");
    spill(path, model.build());
    EXPECT_THAT(load_adapter(path).error().message, HasSubstr("adapter.type"));
}

}  // namespace
}  // namespace gantry::registry
