#include "registry/formats/gguf.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "registry/formats/dtype.hpp"
#include "registry/loaders.hpp"
#include "registry/registry.hpp"
#include "tests/registry/files.hpp"
#include "tests/registry/gguf_builder.hpp"

namespace gantry::registry {
namespace {

using testing::as_bytes;
using ::testing::ElementsAre;
using testing::fixture;
using testing::GgufBuilder;
using ::testing::HasSubstr;
using testing::poke;
using testing::slurp;
using testing::spill;
using testing::TempFolder;

GgufBuilder sample() {
    GgufBuilder b;
    b.text("general.architecture", "llama").u32("general.alignment", 32).texts("words", {"a", "bc", ""});
    b.array("flags", GgufType::kBool, 2, std::string("\1\0", 2));
    b.array("nested", GgufType::kArray, 1,
            GgufBuilder::bytes_of(uint32_t{4}) + GgufBuilder::bytes_of(uint64_t{2}) + std::string(8, '\7'));
    b.tensor({"one", {64, 2}, 8, 136}).tensor({"two", {3}, 0, 12});
    return b;
}

TEST(Gguf, ReadsEveryValueType) {
    GgufBuilder b;
    b.number("u8", GgufType::kUint8, uint8_t{200}).number("i8", GgufType::kInt8, int8_t{-5});
    b.number("u16", GgufType::kUint16, uint16_t{60000}).number("i16", GgufType::kInt16, int16_t{-300});
    b.u32("u32", 4000000000).number("i32", GgufType::kInt32, int32_t{-7});
    b.number("u64", GgufType::kUint64, ~uint64_t{0}).number("i64", GgufType::kInt64, int64_t{-1} << 40);
    b.f32("f32", 1e-5F).number("f64", GgufType::kFloat64, 0.1);
    b.number("bool", GgufType::kBool, uint8_t{1}).text("text", "x\xC3\xA9");
    const std::string image = b.build();
    const auto file = parse_gguf(as_bytes(image), "f").value();
    const auto value = [&](const char* key) { return file.find(key)->value; };
    EXPECT_EQ(std::get<uint64_t>(value("u8")), 200U);
    EXPECT_EQ(std::get<int64_t>(value("i8")), -5);
    EXPECT_EQ(std::get<uint64_t>(value("u16")), 60000U);
    EXPECT_EQ(std::get<int64_t>(value("i16")), -300);
    EXPECT_EQ(std::get<uint64_t>(value("u32")), 4000000000U);
    EXPECT_EQ(std::get<int64_t>(value("i32")), -7);
    EXPECT_EQ(std::get<uint64_t>(value("u64")), ~uint64_t{0});
    EXPECT_EQ(std::get<int64_t>(value("i64")), int64_t{-1} << 40);
    EXPECT_EQ(std::get<double>(value("f32")), 1e-5);  // as written, not as rounded to 32 bits
    EXPECT_EQ(std::get<double>(value("f64")), 0.1);
    EXPECT_TRUE(std::get<bool>(value("bool")));
    EXPECT_EQ(std::get<std::string_view>(value("text")), "x\xC3\xA9");
    EXPECT_EQ(file.find("absent"), nullptr);
}

TEST(Gguf, ReadsArraysAndTensors) {
    auto b = sample();
    const std::string image = b.build();
    const auto file = parse_gguf(as_bytes(image), "f").value();
    EXPECT_THAT(std::get<GgufArray>(file.find("words")->value).strings(), ElementsAre("a", "bc", ""));
    EXPECT_THAT(std::get<GgufArray>(file.find("flags")->value).integers(), ElementsAre(1, 0));
    EXPECT_EQ(std::get<GgufArray>(file.find("nested")->value).count, 1U);
    ASSERT_EQ(file.tensors.size(), 2U);
    EXPECT_THAT(file.tensors[0].shape, ElementsAre(2, 64));  // row-major
    EXPECT_EQ(file.tensors[0].offset, b.at("data"));
    EXPECT_EQ(file.tensors[0].nbytes, 136U);
    EXPECT_EQ(file.tensors[1].offset, b.at("data") + 160);
}

TEST(Gguf, ReadsVersion2AndOtherAlignments) {
    GgufBuilder b(2);
    b.u32("general.alignment", 256).alignment(256).tensor({"t", {256}, 12, 144});
    const std::string image = b.build();
    const auto file = parse_gguf(as_bytes(image), "f").value();
    EXPECT_EQ(file.version, 2U);
    EXPECT_EQ(file.alignment, 256U);
    EXPECT_EQ(file.tensors[0].offset % 256, 0U);
}

TEST(Gguf, KnowsTheSizeOfEveryTensorType) {
    for (const int type : {0,  1,  2,  3,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18,
                           19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 34, 35, 39, 40, 41}) {
        const auto* traits = dtype_traits(type);
        ASSERT_NE(traits, nullptr) << type;
        GgufBuilder b;
        b.tensor({"t",
                  {256, 3},
                  static_cast<uint32_t>(type),
                  uint64_t{256} * 3 / traits->block_elements * traits->block_bytes});
        const std::string image = b.build();
        EXPECT_TRUE(parse_gguf(as_bytes(image), "f")) << traits->name;
    }
}

/// One way to damage the sample, and what the reader must say about it.
struct Damage {
    const char* name;
    std::function<void(std::string&, const GgufBuilder&)> apply;
    const char* field;         ///< in the message
    const char* at = nullptr;  ///< the builder's name of the place, whose offset must be in the message
    const char* problem = "";
    Code code = Code::kDataLoss;
    uint64_t plus = 0;  ///< added to the place
};

void PrintTo(const Damage& d, std::ostream* out) { *out << d.name; }

template <class T>
auto set(const char* field, T value, uint64_t plus = 0) {
    return [=](std::string& s, const GgufBuilder& b) { poke(s, b.at(field) + plus, value); };
}
auto cut(const char* field, uint64_t plus = 0) {
    return [=](std::string& s, const GgufBuilder& b) { s.resize(b.at(field) + plus); };
}

class DamagedGguf : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedGguf, IsRefusedNamingFieldAndOffset) {
    const auto& damage = GetParam();
    auto b = sample();
    std::string image = b.build();
    damage.apply(image, b);
    const auto file = parse_gguf(as_bytes(image), "model.gguf");
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, damage.code);
    const std::string& message = file.error().message;
    EXPECT_THAT(message, HasSubstr("model.gguf: "));
    EXPECT_THAT(message, HasSubstr(damage.field));
    EXPECT_THAT(message, HasSubstr(damage.problem));
    EXPECT_THAT(message, HasSubstr(" at byte " + std::to_string(b.at(damage.at) + damage.plus) + ": "));
}

constexpr uint64_t kHuge = ~uint64_t{0};

INSTANTIATE_TEST_SUITE_P(
    Header, DamagedGguf,
    ::testing::Values(
        Damage{"OnlyMagicHalf", cut("magic", 2), "magic", "magic", "needs 4 bytes"},
        Damage{"WrongMagic", set("magic", 'X'), "magic", "magic", "is 'XGUF'"},
        Damage{"CutBeforeVersion", cut("version"), "version", "version", "needs 4 bytes, the file ends after 0"},
        Damage{"Version1", set("version", uint32_t{1}), "version", "version", "version 1", Code::kUnimplemented},
        Damage{"Version99", set("version", uint32_t{99}), "version", "version", "version 99"},
        Damage{"BigEndian", set("version", uint32_t{3} << 24), "version", "version", "big-endian",
               Code::kUnimplemented},
        Damage{"CutInTensorCount", cut("tensors", 4), "tensor count", "tensors", "needs 8 bytes"},
        Damage{"CutInKeyCount", cut("keys", 1), "key count", "keys", "needs 8 bytes"},
        Damage{"HugeTensorCount", set("tensors", kHuge), "tensor count", "tensors", "cannot be described"},
        Damage{"MillionTensors", set("tensors", uint64_t{1000000}), "tensor count", "tensors", "1000000 tensors"},
        Damage{"HugeKeyCount", set("keys", kHuge), "key count", "keys", "do not fit"}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Keys, DamagedGguf,
    ::testing::Values(
        Damage{"CutInKeyLength", cut("words/key", 3), "kv[2] key", "words/key", "the file ends after 3"},
        Damage{"CutInKeyText", cut("words/key", 10), "kv[2] key", "words/key", "length 5 exceeds the 2 bytes left"},
        Damage{"HugeKeyLength", set("words/key", kHuge), "kv[2] key", "words/key", "exceeds"},
        Damage{"EmptyKey", set("general.architecture/key", uint64_t{0}), "kv[0] key", "general.architecture/key",
               "is empty"},
        Damage{"UnknownValueType", set("words/type", uint32_t{13}), "kv[2] 'words' value type", "words/type",
               "unknown value type 13"},
        Damage{"CutInValueType", cut("words/type", 2), "kv[2] 'words' value type", "words/type", "needs 4 bytes"},
        Damage{"CutInElement", cut("words/value", 38), "kv[2] 'words' element 2", "words/value",
               "needs 8 bytes, the file ends after 7", Code::kDataLoss, 31},
        Damage{"HugeString", set("general.architecture/value", kHuge), "'general.architecture' value",
               "general.architecture/value", "exceeds"},
        Damage{"CutInNumber", cut("general.alignment/value", 2), "'general.alignment' value", "general.alignment/value",
               "needs 4 bytes"},
        Damage{"AlignmentZero", set("general.alignment/value", uint32_t{0}), "'general.alignment' value",
               "general.alignment/value", "0 is not a power of two"},
        Damage{"AlignmentOdd", set("general.alignment/value", uint32_t{48}), "'general.alignment' value",
               "general.alignment/value", "48 is not a power of two"},
        Damage{"AlignmentOfWrongType", set("general.alignment/type", uint32_t{6}), "'general.alignment' value",
               "general.alignment/value", "float32"},
        Damage{"UnknownElementType", set("words/value", uint32_t{77}), "'words' array element type", "words/value",
               "unknown value type 77"},
        Damage{"HugeArray", set("words/value", kHuge, 4), "'words' array length", "words/value", "do not fit",
               Code::kDataLoss, 4},
        Damage{"HugeArrayOfNumbers", set("flags/value", uint64_t{1} << 62, 4), "'flags' array length", "flags/value",
               "do not fit", Code::kDataLoss, 4},
        Damage{"CutInArrayLength", cut("words/value", 7), "'words' array length", "words/value", "needs 8 bytes",
               Code::kDataLoss, 4},
        Damage{"HugeArrayElement", set("words/value", kHuge, 12), "'words' element 0", "words/value", "exceeds",
               Code::kDataLoss, 12},
        Damage{"HugeSecondElement", set("words/value", uint64_t{1} << 40, 21), "'words' element 1", "words/value",
               "exceeds", Code::kDataLoss, 21},
        Damage{"BoolOfTwo", set("flags/value", uint8_t{2}, 13), "'flags'", "flags/value", "must be 0 or 1, is 2",
               Code::kDataLoss, 13},
        Damage{"HugeNestedArray", set("nested/value", kHuge, 16), "'nested' array length", "nested/value", "do not fit",
               Code::kDataLoss, 16},
        Damage{"UnknownNestedType", set("nested/value", uint32_t{99}, 12), "'nested' array element type",
               "nested/value", "unknown value type 99", Code::kDataLoss, 12}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Tensors, DamagedGguf,
    ::testing::Values(
        Damage{"CutInName", cut("one/name", 9), "tensor[0] name", "one/name", "length 3 exceeds"},
        Damage{"HugeName", set("one/name", kHuge), "tensor[0] name", "one/name", "exceeds"},
        Damage{"EmptyName", set("one/name", uint64_t{0}), "tensor[0] name", "one/name", "is empty"},
        Damage{"RankZero", set("one/rank", uint32_t{0}), "tensor[0] 'one' rank", "one/rank", "0 dimensions"},
        Damage{"RankFive", set("one/rank", uint32_t{5}), "tensor[0] 'one' rank", "one/rank", "5 dimensions"},
        Damage{"HugeRank", set("one/rank", ~uint32_t{0}), "tensor[0] 'one' rank", "one/rank", "4294967295 dimensions"},
        Damage{"DimensionZero", set("one/dim1", uint64_t{0}), "tensor[0] 'one' dimension 1", "one/dim1",
               "0 is not a possible size"},
        Damage{"DimensionNegative", set("one/dim0", kHuge), "tensor[0] 'one' dimension 0", "one/dim0",
               "not a possible size"},
        Damage{"ProductOverflows",
               [](std::string& s, const GgufBuilder& b) {
                   poke(s, b.at("one/dim0"), uint64_t{1} << 40);
                   poke(s, b.at("one/dim1"), uint64_t{1} << 40);
               },
               "tensor[0] 'one' dimension 0", "one/dim0", "product overflows"},
        Damage{"BytesOverflow", set("two/dim0", uint64_t{1} << 62), "tensor[1] 'two' dimension 0", "two/dim0", ""},
        Damage{"NotWholeBlocks", set("one/dim0", uint64_t{63}), "tensor[0] 'one' dimension 0", "one/dim0",
               "not whole blocks of 32 (Q8_0)"},
        Damage{"UnknownType", set("one/type", uint32_t{4}), "tensor[0] 'one' type", "one/type",
               "unknown tensor type 4"},
        Damage{"TypeOfTheAbiOnly", set("one/type", uint32_t{1000}), "tensor[0] 'one' type", "one/type",
               "unknown tensor type 1000"},
        Damage{"CutInType", cut("one/type", 1), "tensor[0] 'one' type", "one/type", "needs 4 bytes"},
        Damage{"CutInOffset", cut("two/offset", 7), "tensor[1] 'two' offset", "two/offset", "needs 8 bytes"},
        Damage{"OffsetNotAligned", set("two/offset", uint64_t{161}), "tensor[1] 'two' offset", "two/offset",
               "161 is not a multiple of the alignment 32"},
        Damage{"OffsetPastEnd", set("two/offset", uint64_t{1} << 40), "tensor[1] 'two' offset", "two/offset",
               "past the end"},
        Damage{"OffsetWraps", set("two/offset", kHuge - 31), "tensor[1] 'two' offset", "two/offset", "past the end"},
        Damage{"TensorTooLong", set("one/dim1", uint64_t{100}), "tensor[0] 'one' offset", "one/offset", "past the end"},
        Damage{"Overlap", set("two/offset", uint64_t{0}), "tensor[1] 'two' offset", "two/offset",
               "overlaps the data of 'one'"},
        Damage{"NoData", cut("data"), "tensor[0] 'one' offset", "one/offset", "which has 0 bytes"},
        Damage{"CutInData", cut("data", 100), "tensor[0] 'one' offset", "one/offset", "which has 100 bytes"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Gguf, RefusesDuplicates) {
    GgufBuilder keys;
    keys.u32("k", 1).u32("k", 2);
    std::string image = keys.build();
    EXPECT_THAT(parse_gguf(as_bytes(image), "f").error().message, HasSubstr("kv[1] 'k' key at byte 41: occurs twice"));
    GgufBuilder tensors;
    tensors.tensor({"t", {1}, 0, 4}).tensor({"t", {1}, 0, 4});
    image = tensors.build();
    EXPECT_THAT(parse_gguf(as_bytes(image), "f").error().message,
                HasSubstr("tensor[1] 't' name at byte 57: occurs twice"));
}

TEST(Gguf, RefusesDeepNesting) {
    std::string inner = GgufBuilder::bytes_of(uint32_t{0}) + GgufBuilder::bytes_of(uint64_t{0});
    for (int i = 0; i < 6; ++i) {
        inner = GgufBuilder::bytes_of(uint32_t{9}) + GgufBuilder::bytes_of(uint64_t{1}) + inner;
    }
    GgufBuilder b;
    b.kv("deep", GgufType::kArray, inner);
    const std::string image = b.build();
    EXPECT_THAT(parse_gguf(as_bytes(image), "f").error().message, HasSubstr("nest deeper"));
}

TEST(Gguf, MessagesArePrintable) {
    GgufBuilder b;
    b.number("\x1B[31m\xFF", static_cast<GgufType>(50), uint8_t{0});
    const std::string image = b.build();
    EXPECT_THAT(parse_gguf(as_bytes(image), "f").error().message, HasSubstr("'\\x1b[31m\\xff' value type"));
}

/// Neither a cut at any byte of the header nor any single wrong byte may do more than give an error.
TEST(Gguf, SurvivesEveryCutAndManyFlips) {
    const std::string whole = slurp(fixture("qwen3.gguf"));
    const auto good = parse_gguf(as_bytes(whole), "f").value();
    const uint64_t header = good.tensors.front().offset;
    for (uint64_t size = 0; size < header; ++size) {
        const std::string part = whole.substr(0, size);
        const auto result = parse_gguf(as_bytes(part), "f");
        ASSERT_FALSE(result) << size;
        ASSERT_THAT(result.error().message, HasSubstr(" at byte ")) << size;
    }
    std::mt19937 random(1);
    std::string image = whole;
    for (int i = 0; i < 20000; ++i) {
        const uint64_t at = random() % header;
        const char old = image[at];
        image[at] = static_cast<char>(random());
        if (auto file = parse_gguf(as_bytes(image), "f")) {
            GgufModel model;
            model.parts.push_back(std::move(*file));
            (void)manifest_from_gguf(std::move(model));
        }
        image[at] = old;
    }
}

struct Part {
    uint16_t number;
    uint16_t count;
    int32_t tensors;
};

std::string part_image(const Part& p, const std::string& tensor) {
    GgufBuilder b;
    b.number("split.no", GgufType::kUint16, p.number).number("split.count", GgufType::kUint16, p.count);
    b.number("split.tensors.count", GgufType::kInt32, p.tensors);
    b.tensor({tensor, {8}, 0, 32});
    return b.build();
}

TEST(SplitGguf, OpensAllPartsFromAnyOfThem) {
    TempFolder folder;
    for (uint16_t i = 0; i < 3; ++i) {
        spill(folder / GgufPartName{"m", 1, 3}.name_of(i + 1U),
              part_image({i, 3, 3}, std::string("t").append(std::to_string(i))));
    }
    for (const char* name : {"m-00001-of-00003.gguf", "m-00003-of-00003.gguf"}) {
        const auto model = open_gguf(folder / name).value();
        ASSERT_EQ(model.parts.size(), 3U);
        EXPECT_EQ(model.parts[2].tensors[0].name, "t2");
        EXPECT_EQ(model.paths[0].filename(), "m-00001-of-00003.gguf");
    }
}

TEST(SplitGguf, ReportsWhatIsWrong) {
    TempFolder folder;
    const auto first = folder / "m-00001-of-00002.gguf";
    const auto second = folder / "m-00002-of-00002.gguf";
    const auto message = [&](const std::filesystem::path& path) {
        const auto model = open_gguf(path);
        return model ? std::string("none") : model.error().message;
    };
    spill(first, part_image({0, 2, 2}, "a"));
    EXPECT_THAT(message(first), HasSubstr("m-00002-of-00002.gguf is missing"));
    spill(second, part_image({0, 2, 2}, "b"));
    EXPECT_THAT(message(first), HasSubstr("is part 1 of 2, by its name it should be part 2 of 2"));
    spill(second, part_image({1, 2, 2}, "a"));
    EXPECT_THAT(message(first), HasSubstr("tensor 'a' name at byte"));
    spill(second, part_image({1, 2, 2}, "b"));
    EXPECT_EQ(message(first), "none");
    spill(first, part_image({0, 2, 5}, "a"));
    EXPECT_THAT(message(first), HasSubstr("'split.tensors.count' value at byte"));
    spill(first, part_image({0, 7, 2}, "a"));
    EXPECT_THAT(message(first), HasSubstr("the model has 7 parts"));
    std::filesystem::remove(first);
    EXPECT_THAT(message(second), HasSubstr("the model's first part"));
    spill(folder / "renamed.gguf", part_image({0, 2, 2}, "a"));
    EXPECT_THAT(message(folder / "renamed.gguf"), HasSubstr("the file's name does not say so"));
}

TEST(SplitGguf, PartNames) {
    const auto name = parse_gguf_part_name("big-00002-of-00011.gguf");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->prefix, "big");
    EXPECT_EQ(name->name_of(11), "big-00011-of-00011.gguf");
    for (const char* other :
         {"big.gguf", "big-2-of-3.gguf", "big-00004-of-00003.gguf", "big-00000-of-00003.gguf", ""}) {
        EXPECT_FALSE(parse_gguf_part_name(other)) << other;
    }
}

}  // namespace
}  // namespace gantry::registry
