#include "registry/formats/safetensors.hpp"

#include <gantry/abi.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "registry/loaders.hpp"
#include "registry/registry.hpp"
#include "tests/registry/files.hpp"

namespace gantry::registry {
namespace {

using ::testing::ElementsAre;
using testing::fixture;
using ::testing::HasSubstr;
using testing::replaced;
using testing::slurp;
using testing::spill;
using testing::TempFolder;

const std::string kGood = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
                          R"("b\u00e9":{"dtype":"BF16","shape":[4],"data_offsets":[16,24]}})";

/// A file image: header padded to eight bytes as writers do, then `data` bytes of data.
std::string image(std::string header, size_t data = 24) {
    header.resize((header.size() + 7) / 8 * 8, ' ');
    uint64_t length = header.size();
    std::string out(8, '\0');
    std::memcpy(out.data(), &length, 8);
    return out + header + std::string(data, '\1');
}

Result<SafetensorsFile> parse(const std::string& bytes) {
    return parse_safetensors(std::as_bytes(std::span(bytes)), "m.safetensors");
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
    const std::string bytes = image(kGood);
    const auto file = parse(bytes).value();
    EXPECT_EQ(file.metadata.at("format"), "pt");
    ASSERT_EQ(file.tensors.size(), 2U);
    EXPECT_EQ(file.tensors[0].name, "a");
    EXPECT_EQ(file.tensors[0].dtype, GANTRY_DTYPE_F32);
    EXPECT_THAT(file.tensors[0].shape, ElementsAre(2, 2));
    EXPECT_EQ(file.tensors[0].offset, bytes.size() - 24);
    EXPECT_EQ(file.tensors[1].name, "b\xC3\xA9");
    EXPECT_EQ(file.tensors[1].nbytes, 8U);
}

TEST(Safetensors, KnowsEveryType) {
    for (const auto& [name, size] : {std::pair("F64", 8),
                                     {"F32", 4},
                                     {"F16", 2},
                                     {"BF16", 2},
                                     {"I64", 8},
                                     {"I32", 4},
                                     {"I16", 2},
                                     {"I8", 1},
                                     {"U64", 8},
                                     {"U32", 4},
                                     {"U16", 2},
                                     {"U8", 1},
                                     {"BOOL", 1},
                                     {"F8_E4M3", 1},
                                     {"F8_E5M2", 1}}) {
        const std::string header = std::string(R"({"t":{"dtype":")") + name + R"(","shape":[3],"data_offsets":[0,)" +
                                   std::to_string(3 * size) + "]}}";
        EXPECT_TRUE(parse(image(header, static_cast<size_t>(3 * size)))) << name;
    }
}

struct Damage {
    const char* name;
    std::function<std::string()> make;
    const char* message;  ///< field, offset and problem
    Code code = Code::kDataLoss;
};

void PrintTo(const Damage& d, std::ostream* out) { *out << d.name; }

auto with(const char* from, const char* to, size_t data = 24) {
    return [=] { return image(replaced(kGood, from, to), data); };
}
auto with_length(uint64_t length) {
    return [=] {
        std::string out = image(kGood);
        std::memcpy(out.data(), &length, 8);
        return out;
    };
}
auto cut_to(size_t size) {
    return [=] { return image(kGood).substr(0, size); };
}

class DamagedSafetensors : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedSafetensors, IsRefusedNamingFieldAndOffset) {
    const auto bytes = GetParam().make();
    const auto file = parse(bytes);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, GetParam().code);
    EXPECT_THAT(file.error().message, HasSubstr(std::string("m.safetensors: ") + GetParam().message));
}

// Offsets: the header starts at 8, "a" at 40, its dtype's value at 53, shape's at 67, data_offsets' at 88; "bé" at 96.
INSTANTIATE_TEST_SUITE_P(
    All, DamagedSafetensors,
    ::testing::Values(
        Damage{"OneByte", cut_to(1), "header length at byte 0: needs 8 bytes, the file ends after 1"},
        Damage{"NoHeader", cut_to(8), "header length at byte 0: 152 bytes do not fit in the 0"},
        Damage{"CutHeader", cut_to(50), "header length at byte 0: 152 bytes do not fit in the 42"},
        Damage{"HugeHeader", with_length(~uint64_t{0}),
               "header length at byte 0: 18446744073709551615 bytes do not fit"},
        Damage{"EmptyHeader", with_length(0), "header length at byte 0: 0 bytes"},
        Damage{"ShortHeader", with_length(100), "tensor 'b"},
        Damage{"SomethingAfterTheHeader", [] { return image(kGood + " x"); },
               "header at byte 159: expected nothing more, found 'x'"},
        Damage{"NotJson", [] { return image("hello, this is no header"); },
               "header at byte 8: expected an object, found 'h'"},
        Damage{"ArrayHeader", [] { return image("[1,2,3]"); }, "header at byte 8: expected an object"},
        Damage{"NoColon", with("\"a\":", "\"a\" "), "header at byte 44: expected ':', found '{'"},
        Damage{"NoComma", with("},\"b", "} \"b"), "header at byte 96: expected ',' or '}'"},
        Damage{"DuplicateTensor", with("b\\u00e9", "a"), "header at byte 96: key 'a' occurs twice"},
        Damage{"DuplicateKey", with("\"shape\"", "\"dtype\""), "tensor 'a' at byte 59: key 'dtype' occurs twice"},
        Damage{"UnknownKey", with("\"shape\"", "\"shapes\""), "tensor 'a' shapes at byte 68: unknown key"},
        Damage{"NoDtype", with("\"dtype\":\"F32\",", ""), "tensor 'a' at byte 40: dtype is missing"},
        Damage{"NoShape", with("\"shape\":[2,2],", ""), "tensor 'a' at byte 40: shape is missing"},
        Damage{"NoOffsets", with(",\"data_offsets\":[0,16]", ""), "tensor 'a' at byte 40: data_offsets is missing"},
        Damage{"UnknownDtype", with("F32", "F99"), "tensor 'a' dtype at byte 53: type 'F99'", Code::kUnimplemented},
        Damage{"DtypeWithoutNumber", with("F32", "F8_E8M0"), "tensor 'a' dtype at byte 53: type 'F8_E8M0'",
               Code::kUnimplemented},
        Damage{"DtypeNotText", with("\"F32\"", "17"), "tensor 'a' dtype at byte 53: expected a string, found '1'"},
        Damage{"NegativeDimension", with("[2,2]", "[-2,2]"),
               "tensor 'a' shape at byte 68: expected a non-negative integer"},
        Damage{"FractionDimension", with("[2,2]", "[2.5,2]"), "tensor 'a' shape at byte 68: must be an integer"},
        Damage{"HugeDimension", with("[2,2]", "[99999999999999999999]"),
               "tensor 'a' shape at byte 68: the number does not fit in 64 bits"},
        Damage{"ShapeOverflows", with("[2,2]", "[9223372036854775807,4]"),
               "tensor 'a' shape at byte 40: the dimensions' product overflows"},
        Damage{"NineDimensions", with("[2,2]", "[1,1,1,1,1,1,1,2,2]"),
               "tensor 'a' shape at byte 84: more than 8 dimensions"},
        Damage{"ShapeNotArray", with("[2,2]", "4"), "tensor 'a' shape at byte 67: expected an array, found '4'"},
        Damage{"OneOffset", with("[0,16]", "[16]"), "tensor 'a' data_offsets at byte 88: has 1 numbers, must have 2"},
        Damage{"ThreeOffsets", with("[0,16]", "[0,16,3]"), "tensor 'a' data_offsets at byte 88: has 3 numbers"},
        Damage{"OffsetsReversed", with("[0,16]", "[16,0]"),
               "tensor 'a' data_offsets at byte 88: [16, 0) is not within"},
        Damage{"OffsetsPastEnd", with("[0,16]", "[16,32]"),
               "tensor 'a' data_offsets at byte 88: [16, 32) is not within the 24"},
        Damage{"OffsetsHuge", with("[0,16]", "[0,18446744073709551615]"),
               "tensor 'a' data_offsets at byte 88: [0, 1844"},
        Damage{"SizeMismatch", with("[2,2]", "[2,3]"),
               "tensor 'a' data_offsets at byte 88: spans 16 bytes, type and shape need 24"},
        Damage{"Overlap", with("[16,24]", "[8,16]"),
               "tensor 'b\xC3\xA9' data_offsets at byte 96: overlaps another tensor's data"},
        Damage{"Gap", with("[16,24]", "[20,28]", 28),
               "tensor 'b\xC3\xA9' data_offsets at byte 96: 4 bytes before it belong to no tensor"},
        Damage{"DataLeftOver", with("F32", "F32", 30),
               "tensor data at byte 184: 6 bytes at the end belong to no tensor"},
        Damage{"DataCutOff", with("F32", "F32", 20),
               "tensor 'b\xC3\xA9' data_offsets at byte 149: [16, 24) is not within the 20"},
        Damage{"MetadataNotText", with("\"pt\"", "1"), "__metadata__ 'format' at byte 34: expected a string"},
        Damage{"HalfSurrogate", with("\\u00e9", "\\ud800"), "header at byte 98: half a surrogate pair"},
        Damage{"BadEscape", with("\\u00e9", "\\q"), "header at byte 98: unknown escape"},
        Damage{"BadHex", with("\\u00e9", "\\u00xx"), "header at byte 100: \\u needs four hexadecimal digits"},
        Damage{"ControlCharacter", with("\"a\"", "\"\n\""), "header at byte 41: control character"},
        Damage{"NoEndOfString", [] { return image("{\"abc"); }, "header at byte 9: the string has no end"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Safetensors, RefusesDataThatIsNotAlignedToItsType) {
    std::string header = R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
    std::string bytes = std::string(8, '\0') + header + std::string(4, '\0');
    bytes[0] = static_cast<char>(header.size());
    ASSERT_NE(header.size() % 4, 0U);
    EXPECT_EQ(parse(bytes).error().code, Code::kUnimplemented);
}

TEST(Safetensors, SurvivesEveryCutAndManyFlips) {
    const std::string whole = slurp(fixture("qwen2/model.safetensors"));
    uint64_t header = 0;
    std::memcpy(&header, whole.data(), 8);
    header += 8;
    for (size_t size = 0; size < header; size += 7) {
        const auto result = parse(whole.substr(0, size));
        ASSERT_FALSE(result) << size;
        ASSERT_THAT(result.error().message, HasSubstr(" at byte ")) << size;
    }
    std::mt19937 random(1);
    std::string bytes = whole;
    for (int i = 0; i < 5000; ++i) {
        const size_t at = random() % header;
        const char old = bytes[at];
        bytes[at] = static_cast<char>(random());
        (void)parse(bytes);
        bytes[at] = old;
    }
}

/// A copy of a fixture folder that a test may damage.
void copy_fixture(const char* name, const std::filesystem::path& to) {
    std::filesystem::copy(fixture(name), to, std::filesystem::copy_options::recursive);
}

struct FolderDamage {
    const char* name;
    const char* fixture;
    const char* file;
    const char* from;  ///< nullptr: the file is removed; "": it is replaced by `to`
    const char* to;
    const char* message;
    Code code = Code::kDataLoss;
};

void PrintTo(const FolderDamage& d, std::ostream* out) { *out << d.name; }

class DamagedFolder : public ::testing::TestWithParam<FolderDamage> {};

TEST_P(DamagedFolder, IsRefusedNamingFileAndField) {
    const auto& p = GetParam();
    TempFolder folder;
    copy_fixture(p.fixture, folder / "m");
    const auto file = folder / "m" / p.file;
    if (p.from == nullptr) {
        std::filesystem::remove(file);
    } else {
        spill(file, *p.from == '\0' ? p.to : replaced(slurp(file), p.from, p.to));
    }
    const auto manifest = manifest_from_folder(folder / "m");
    ASSERT_FALSE(manifest);
    EXPECT_EQ(manifest.error().code, p.code);
    EXPECT_THAT(manifest.error().message, HasSubstr(p.message));
}

INSTANTIATE_TEST_SUITE_P(
    All, DamagedFolder,
    ::testing::Values(
        FolderDamage{"NoConfig", "llama", "config.json", nullptr, "", "config.json is missing", Code::kNotFound},
        FolderDamage{"ConfigNotJson", "llama", "config.json", "", "{\"a\": 1,,}", "config.json: JSON at byte 8: "},
        FolderDamage{"ConfigCutOff", "llama", "config.json", "", "{\"a\": ", "config.json: JSON at byte 6: incomplete"},
        FolderDamage{"ConfigArray", "llama", "config.json", "", "[]", "config.json: JSON at byte 0: must be an object"},
        FolderDamage{"NoHiddenSize", "llama", "config.json", "\"hidden_size\": 64,", "",
                     "config.json: 'hidden_size' at byte 0: required key is missing"},
        FolderDamage{"TextForNumber", "llama", "config.json", "\"hidden_size\": 64", "\"hidden_size\": \"64\"",
                     "config.json: 'hidden_size' at byte 218: must be an integer"},
        FolderDamage{"NegativeLayers", "llama", "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": -2",
                     "-2 is out of range"},
        FolderDamage{"MillionLayers", "llama", "config.json", "\"num_hidden_layers\": 2",
                     "\"num_hidden_layers\": 1000000", "'num_hidden_layers' at byte"},
        FolderDamage{
            "UnknownArchitecture", "llama", "config.json", "LlamaForCausalLM", "MambaForCausalLM",
            "architecture 'MambaForCausalLM' is not supported; supported are LlamaForCausalLM, Qwen2ForCausalLM, "
            "Qwen3ForCausalLM, MistralForCausalLM",
            Code::kUnimplemented},
        FolderDamage{"Quantised", "llama", "config.json", "\"head_dim\": 16",
                     "\"quantization_config\": {\"quant_method\": \"gptq\"}", "quantised with 'gptq'",
                     Code::kUnimplemented},
        FolderDamage{"WrongHeads", "llama", "config.json", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
                     "3 does not divide the 4 query heads"},
        FolderDamage{"WrongShape", "llama", "config.json", "\"intermediate_size\": 64", "\"intermediate_size\": 65",
                     "has shape [64, 64], the hyperparameters give [6"},
        FolderDamage{"UnknownScaling", "llama", "config.json", "\"rope_type\": \"llama3\"", "\"rope_type\": \"spiral\"",
                     "rotary scaling 'spiral' is not supported", Code::kUnimplemented},
        FolderDamage{"NoScalingFactor", "llama", "config.json", "\"factor\": 8.0,", "",
                     "'factor' at byte 0: required key"},
        FolderDamage{"NoWeights", "llama", "model.safetensors", nullptr, "", "no .safetensors files", Code::kNotFound},
        FolderDamage{"EmptyWeights", "llama", "model.safetensors", "", "", "is empty"},
        FolderDamage{"WeightsOfAnotherModel", "qwen3", "model.safetensors.index.json", "model.norm.weight",
                     "model.extra.weight", "tensor 'model.extra.weight' is not in"},
        FolderDamage{"MissingShard", "qwen3", "model-00002-of-00002.safetensors", nullptr, "",
                     "shard model-00002-of-00002.safetensors is missing"},
        FolderDamage{"EscapingShard", "qwen3", "model.safetensors.index.json", "model-00001-of-00002", "../model",
                     "is not the name of a shard in this folder"},
        FolderDamage{"NoWeightMap", "qwen3", "model.safetensors.index.json", "\"weight_map\"", "\"weights\"",
                     "'weight_map' at byte 0: is missing"},
        FolderDamage{"BadTokenizerConfig", "llama", "tokenizer_config.json", "", "{",
                     "tokenizer_config.json: JSON at byte 1"},
        FolderDamage{"BadTemplateList", "mistral", "tokenizer_config.json", "\"template\"", "\"text\"",
                     "tokenizer_config.json: 'chat_template' at byte"},
        FolderDamage{"BadGenerationConfig", "llama", "generation_config.json", "258", "-1",
                     "generation_config.json: 'eos_token_id' at byte"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace gantry::registry
