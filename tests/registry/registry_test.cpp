#include "registry/registry.hpp"
#include "registry/estimate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/loaders.hpp"
#include "tests/registry/files.hpp"

namespace gantry::registry {
namespace {

using ::testing::ElementsAre;
using testing::fixture;
using ::testing::HasSubstr;
using testing::spill;
using testing::TempFolder;

constexpr const char* kCatalog = R"([[model]]
name = "tiny"
aliases = ["small"]
context_length = 64
abilities = ["chat"]
tool_parser = "hermes"
reasoning_parser = "think"
[[model.spec]]
format = "gguf"
size_in_billions = "0.01"
path = "models/tiny.gguf"

[[model]]
name = "big-instruct"
[[model.spec]]
format = "gguf"
size_in_billions = "0.5"
quantizations = ["q8_0", "q4_k_m"]
hub = { huggingface = "org/big-GGUF" }
file = "big-{quantization}.gguf"
parts = { q8_0 = 2 }
[[model.spec]]
format = "safetensors"
size_in_billions = "7"
hub = { huggingface = "org/big" }
)";

/// A share folder with the catalog above, and an empty Hugging Face cache.
class RegistryTest : public ::testing::Test {
  protected:
    void SetUp() override { spill(share() / "catalog" / "a.toml", kCatalog); }
    std::filesystem::path share() const { return folder_ / "share"; }
    std::filesystem::path hub() const { return folder_ / "hub"; }
    Registry open() const { return Registry::open({share(), hub()}).value(); }

    void cache(const std::string& repository, const std::string& commit, const std::string& file) const {
        spill(hub() / repository / "refs" / "main", commit);
        spill(hub() / repository / "blobs" / "abc", "x");
        const auto link = hub() / repository / "snapshots" / commit / file;
        std::filesystem::create_directories(link.parent_path());
        std::filesystem::create_symlink("../../blobs/abc", link);
    }

    TempFolder folder_;
};

TEST_F(RegistryTest, FindsBuiltInModelsByNameAndAlias) {
    spill(share() / "models" / "tiny.gguf", "x");
    const auto registry = open();
    for (const char* name : {"tiny", "small", "TINY"}) {
        const auto ref = registry.resolve(name).value();
        EXPECT_EQ(ref.name, "tiny");
        EXPECT_EQ(ref.path, share() / "models" / "tiny.gguf");
        EXPECT_EQ(ref.format, "gguf");
        EXPECT_EQ(ref.kind, ModelKind::kLlm);
        ASSERT_TRUE(ref.entry);
        EXPECT_EQ(ref.entry->context_length, 64);
        EXPECT_EQ(ref.entry->tool_parser, "hermes");
        EXPECT_EQ(ref.entry->reasoning_parser, "think");
    }
}

TEST_F(RegistryTest, SaysWhatToDownload) {
    const auto registry = open();
    const auto missing = registry.resolve("big-instruct").error();
    EXPECT_EQ(missing.code, Code::kFailedPrecondition);
    EXPECT_THAT(missing.message, HasSubstr("is known, but its files are not on this machine"));
    EXPECT_THAT(missing.hint, HasSubstr("gantry pull big-instruct (big-q4_k_m.gguf of org/big-GGUF"));
    const auto split = registry.resolve("big-instruct", {.quantization = "Q8_0"}).error();
    EXPECT_THAT(split.hint, HasSubstr("big-q8_0-00001-of-00002.gguf"));
    const auto folder = registry.resolve("big-instruct", {.format = "pytorch"}).error();
    EXPECT_THAT(folder.hint, HasSubstr("all files of org/big from huggingface"));
    EXPECT_THAT(registry.resolve("tiny").error().message,
                HasSubstr("models/tiny.gguf is missing from the share folder"));
}

TEST_F(RegistryTest, UsesFilesInTheHuggingFaceCache) {
    cache("models--org--big-GGUF", "c0ffee", "big-q8_0-00001-of-00002.gguf");
    const auto registry = open();
    const auto ref = registry.resolve("big-instruct").value();
    EXPECT_EQ(ref.path, hub() / "models--org--big-GGUF" / "snapshots" / "c0ffee" / "big-q8_0-00001-of-00002.gguf");
    EXPECT_EQ(ref.quantization, "q8_0");
    EXPECT_EQ(ref.size_in_billions, "0.5");
    EXPECT_EQ(registry.resolve("org/big-GGUF").value().path, ref.path);
    EXPECT_EQ(registry.resolve("org/big-GGUF").value().name, "org/big-GGUF");
}

TEST_F(RegistryTest, ReadsAFolderInTheCache) {
    const auto snapshot = hub() / "models--org--big" / "snapshots" / "beef";
    std::filesystem::create_directories(snapshot.parent_path());
    std::filesystem::copy(fixture("llama"), snapshot, std::filesystem::copy_options::recursive);
    const auto registry = open();
    const auto ref = registry.resolve("big-instruct").value();  // no refs: the newest snapshot
    EXPECT_EQ(ref.path, snapshot);
    EXPECT_EQ(ref.format, "safetensors");
    EXPECT_EQ(load_manifest(ref.path).value().name, "org/big");
}

TEST_F(RegistryTest, ChoosesBySizeFormatAndQuantization) {
    const auto registry = open();
    EXPECT_THAT(registry.resolve("big-instruct", {.size_in_billions = "7"}).error().message,
                HasSubstr("safetensors, 7B"));
    EXPECT_THAT(registry.resolve("big-instruct", {.format = "ggufv2", .size_in_billions = "0_5"}).error().message,
                HasSubstr("gguf, 0.5B"));
    const auto none = registry.resolve("big-instruct", {.quantization = "Q2_K"}).error();
    EXPECT_EQ(none.code, Code::kNotFound);
    EXPECT_THAT(none.hint, HasSubstr("gguf 0.5B (q8_0, q4_k_m), safetensors 7B"));
}

TEST_F(RegistryTest, UnknownNamesGetTheNearest) {
    const auto registry = open();
    const auto error = registry.resolve("big-instrukt").error();
    EXPECT_EQ(error.code, Code::kNotFound);
    EXPECT_EQ(error.hint, "did you mean big-instruct?");
    EXPECT_THAT(registry.resolve("smal").error().hint, HasSubstr("tiny"));
    EXPECT_THAT(registry.resolve("zzzzzzzz").error().hint, HasSubstr("give a catalog name"));
    EXPECT_EQ(registry.resolve("/no/such/file.gguf").error().code, Code::kNotFound);
    EXPECT_EQ(registry.resolve("").error().code, Code::kInvalidArgument);
}

TEST_F(RegistryTest, ResolvesPaths) {
    const auto registry = open();
    const auto file = registry.resolve(fixture("qwen3.gguf").string()).value();
    EXPECT_EQ(file.name, "qwen3");
    EXPECT_FALSE(file.entry);
    const auto folder = registry.resolve(fixture("qwen3").string()).value();
    EXPECT_EQ(folder.format, "safetensors");
    EXPECT_EQ(folder.path, fixture("qwen3"));
}

TEST_F(RegistryTest, PicksAFileFromAFolder) {
    const auto models = folder_ / "models";
    for (const char* name : {"m-Q4_K_M.gguf", "m-IQ4_K_M.gguf", "m-Q4_K.gguf", "m-Q8_0-00001-of-00002.gguf",
                             "m-Q8_0-00002-of-00002.gguf", "mmproj-F16.gguf"}) {
        spill(models / name, "x");
    }
    const auto registry = open();
    const auto pick = [&](const char* quantization) {
        return registry.resolve(models.string(), {.quantization = quantization}).value().path.filename().string();
    };
    EXPECT_EQ(pick("q4_k_m"), "m-Q4_K_M.gguf");
    EXPECT_EQ(pick("Q4_K"), "m-Q4_K.gguf");
    EXPECT_EQ(pick("Q8_0"), "m-Q8_0-00001-of-00002.gguf");
    const auto several = registry.resolve(models.string()).error();
    EXPECT_EQ(several.code, Code::kInvalidArgument);
    EXPECT_THAT(several.message, HasSubstr("m-IQ4_K_M.gguf, m-Q4_K.gguf, m-Q4_K_M.gguf, m-Q8_0-00001-of-00002.gguf"));
    EXPECT_THAT(registry.resolve(models.string(), {.quantization = "Q2_K"}).error().message, HasSubstr("'Q2_K'"));
    EXPECT_THAT(registry.resolve(models.string(), {.format = "safetensors"}).error().message, HasSubstr("in format"));
    EXPECT_THAT(registry.resolve(folder_.path().string()).error().message, HasSubstr("holds no model"));
}

TEST_F(RegistryTest, TakesRegistrations) {
    auto registry = open();
    CatalogEntry entry;
    entry.name = "mine";
    entry.specs.emplace_back().format = "gguf";
    entry.specs[0].path = "models/mine.gguf";
    ASSERT_TRUE(registry.catalog().add(entry));
    EXPECT_EQ(registry.catalog().add(entry).error().code, Code::kAlreadyExists);
    EXPECT_EQ(registry.resolve("mine").error().code, Code::kFailedPrecondition);
    ASSERT_TRUE(registry.catalog().remove("mine"));
    EXPECT_EQ(registry.catalog().remove("mine").error().code, Code::kNotFound);
    entry.name = "../evil";
    EXPECT_EQ(registry.catalog().add(entry).error().code, Code::kInvalidArgument);
}

struct BadCatalog {
    const char* name;
    const char* text;
    const char* message;
};

void PrintTo(const BadCatalog& c, std::ostream* out) { *out << c.name; }

class BadCatalogTest : public ::testing::TestWithParam<BadCatalog> {};

TEST_P(BadCatalogTest, IsRefusedWithFileAndLine) {
    TempFolder folder;
    spill(folder / "c.toml", GetParam().text);
    const auto catalog = Catalog::load(folder.path());
    ASSERT_FALSE(catalog);
    EXPECT_EQ(catalog.error().code, Code::kInvalidArgument);
    EXPECT_THAT(catalog.error().message, HasSubstr(GetParam().message));
}

#define SPEC "[[model.spec]]\nformat=\"gguf\"\npath=\"p\"\n"
INSTANTIATE_TEST_SUITE_P(
    All, BadCatalogTest,
    ::testing::Values(
        BadCatalog{"Syntax", "[[model]]\nname = \n", "c.toml:2: "},
        BadCatalog{"UnknownTopKey", "models = 1\n", "c.toml:1: unknown key 'models'"},
        BadCatalog{"UnknownKey", "[[model]]\nname = \"a\"\ncontext = 3\n" SPEC, "c.toml:3: unknown key 'context'"},
        BadCatalog{"WrongType", "[[model]]\nname = 3\n", "c.toml:2: 'name' must be a string"},
        BadCatalog{"WrongNumber", "[[model]]\ncontext_length = -1\n",
                   "c.toml:2: 'context_length' must be a positive integer"},
        BadCatalog{"WrongList", "[[model]]\nabilities = [\"chat\", 1]\n",
                   "c.toml:2: 'abilities' must be an array of strings"},
        BadCatalog{"NotTables", "model = 1\n", "c.toml:1: 'model' must be an array of tables"},
        BadCatalog{"NoName", "[[model]]\n" SPEC, "a model needs 'name'"},
        BadCatalog{"NoSpec", "[[model]]\nname = \"a\"\n", "model 'a' has no 'spec'"},
        BadCatalog{"UnknownType", "[[model]]\nname = \"a\"\ntype = \"toaster\"\n" SPEC, "unknown type 'toaster'"},
        BadCatalog{"UnknownFormat", "[[model]]\nname = \"a\"\n[[model.spec]]\nformat = \"zip\"\n",
                   "c.toml:3: unknown format"},
        BadCatalog{"NoPlace", "[[model]]\nname = \"a\"\n[[model.spec]]\nformat = \"gguf\"\n",
                   "a spec needs 'path' or 'hub'"},
        BadCatalog{"NoFile", "[[model]]\nname = \"a\"\n[[model.spec]]\nformat = \"gguf\"\nhub = { h = \"x/y\" }\n",
                   "a gguf spec on a hub needs 'file'"},
        BadCatalog{"Twice", "[[model]]\nname = \"a\"\n" SPEC "[[model]]\nname = \"a\"\n" SPEC,
                   "c.toml:6: a model named 'a' is already registered"}),
    [](const auto& info) { return std::string(info.param.name); });
#undef SPEC

TEST(BuiltInCatalog, IsValidAndKnowsTheDemo) {
    const auto catalog = Catalog::load(std::filesystem::path(GANTRY_SOURCE_DIR) / "configs" / "catalog").value();
    ASSERT_NE(catalog.find("gantry-demo"), nullptr);
    EXPECT_EQ(catalog.find("gantry-demo")->specs[0].path, "models/gantry-demo.gguf");
    for (const char* name : {"qwen2.5-instruct", "qwen3", "llama-3.2-instruct", "mistral-instruct-v0.3"}) {
        EXPECT_NE(catalog.find(name), nullptr) << name;
    }
    EXPECT_EQ(catalog.nearest("qwen2.5-instuct").front(), "qwen2.5-instruct");
    for (const auto& entry : catalog.entries()) {
        const bool text =
            entry.kind == ModelKind::kLlm || entry.kind == ModelKind::kEmbedding || entry.kind == ModelKind::kRerank;
        EXPECT_FALSE(entry.abilities.empty()) << entry.name;
        EXPECT_TRUE(!text || entry.context_length > 0) << entry.name;
        EXPECT_FALSE(entry.specs.empty()) << entry.name;
        for (const auto& spec : entry.specs) {
            for (const auto& [quantization, parts] : spec.parts) {
                EXPECT_THAT(spec.quantizations, ::testing::Contains(quantization)) << entry.name;
                EXPECT_GT(parts, 1) << entry.name;
            }
        }
    }
}

/// As hubs have it: https://HOST/ORG/NAME/resolve/REVISION/FILE.
TEST(BuiltInCatalog, EveryFormHasAnAddressAndASize) {
    const auto catalog = Catalog::load(std::filesystem::path(GANTRY_SOURCE_DIR) / "configs" / "catalog").value();
    size_t forms = 0;
    for (const auto& entry : catalog.entries()) {
        for (const auto& spec : entry.specs) {
            const std::vector<std::string> none{""};
            for (const auto& quantization : spec.quantizations.empty() ? none : spec.quantizations) {
                SCOPED_TRACE(entry.name + " " + spec.format + " " + quantization);
                for (const auto& [hub, pattern] : spec.hubs) {
                    EXPECT_TRUE(hub == "huggingface" || hub == "modelscope") << hub;
                    EXPECT_TRUE(is_repository_id(spec.repository(hub, quantization))) << pattern;
                }
                const std::string file = spec.file_for(quantization);
                EXPECT_EQ(file.find_first_of("{}?#% \\"), std::string::npos) << file;
                EXPECT_EQ(file.find(".."), std::string::npos) << file;
                EXPECT_EQ(spec.format == "gguf", !file.empty() || !spec.path.empty());
                EXPECT_TRUE(file.empty() || file.ends_with(".gguf")) << file;
                if (entry.kind == ModelKind::kLlm || entry.kind == ModelKind::kEmbedding ||
                    entry.kind == ModelKind::kRerank) {
                    EXPECT_GT(weight_bytes(spec, quantization), 0);
                }
                ++forms;
            }
        }
    }
    EXPECT_GT(forms, 2000u);
}

struct FilePattern {
    const char *file, *split, *quantization, *wanted;
};

TEST(ModelSpec, NamesItsFirstFile) {
    for (const auto& c : {
             FilePattern{"m-{quantization}.gguf", "", "q8", "m-q8.gguf"},
             FilePattern{"m-{quantization}.gguf", "", "big", "m-big-00001-of-00003.gguf"},
             FilePattern{"m-{quantization}.gguf", "{quantization}/m-{quantization}-{part}.gguf", "q8", "m-q8.gguf"},
             FilePattern{"m-{quantization}.gguf", "{quantization}/m-{quantization}-{part}.gguf", "big",
                         "big/m-big-00001-of-00003.gguf"},
         }) {
        ModelSpec spec;
        spec.file = c.file;
        spec.split_file = c.split;
        spec.parts = {{"big", 3}};
        EXPECT_EQ(spec.file_for(c.quantization), c.wanted);
    }
    ModelSpec spec;
    spec.hubs = {{"huggingface", "org/m-{quantization}"}};
    EXPECT_EQ(spec.repository("huggingface", "4bit"), "org/m-4bit");
    EXPECT_EQ(spec.repository("modelscope", "4bit"), "");
}

/// Sizes of files that llama.cpp and AutoGPTQ make of a model of 7.6 billion weights (Qwen2.5-7B), in GB.
TEST(Estimate, IsNearRealFiles) {
    struct Known {
        const char *format, *quantization;
        double gigabytes;
    };
    for (const Known& k : {Known{"gguf", "Q2_K", 3.02}, Known{"gguf", "Q3_K_M", 3.81}, Known{"gguf", "q4_0", 4.43},
                           Known{"gguf", "Q4_K_M", 4.68}, Known{"gguf", "Q5_K_M", 5.44}, Known{"gguf", "Q6_K", 6.25},
                           Known{"gguf", "Q8_0", 8.10}, Known{"safetensors", "", 15.2}, Known{"gguf", "IQ4_XS", 4.22},
                           Known{"gptq", "Int8", 8.1}}) {
        ModelSpec spec;
        spec.format = k.format;
        spec.size_in_billions = "7.6";
        const double bytes = static_cast<double>(weight_bytes(spec, k.quantization));
        EXPECT_NEAR(bytes / (k.gigabytes * 1e9), 1, 0.1) << k.format << " " << k.quantization;
    }
    EXPECT_EQ(weight_bytes(ModelSpec{}, "Q4_0"), 0);
}

TEST(Estimate, TakesTheLargestSizeThatFits) {
    CatalogEntry entry;
    for (const char* size : {"0.5", "7", "72"}) {
        ModelSpec spec;
        spec.format = "gguf";
        spec.size_in_billions = size;
        spec.quantizations = {"Q2_K", "Q8_0", "Q4_K_M"};
        entry.specs.push_back(spec);
    }
    const auto fit = [&](double gigabytes) {
        const auto choice = best_fit(entry, static_cast<uint64_t>(gigabytes * 1e9));
        return choice ? choice->spec->size_in_billions + " " + choice->quantization : "";
    };
    EXPECT_EQ(fit(0.1), "");
    EXPECT_EQ(fit(1), "0.5 Q4_K_M");
    EXPECT_EQ(fit(24), "7 Q4_K_M");
    EXPECT_EQ(fit(30), "7 Q4_K_M") << "not the largest at two bits";
    EXPECT_EQ(fit(64), "72 Q4_K_M");
}

TEST(HfCache, RemovesFilesWithTheirBlobsAndNothingElse) {
    const TempFolder folder;
    const HfCache cache(folder.path());
    const auto add = [&](const std::string& repository, const std::string& file, const std::string& blob) {
        const auto root = folder / repository;
        spill(root / "blobs" / blob, blob);
        std::filesystem::create_directories(root / "snapshots" / "c0ffee");
        std::filesystem::create_symlink("../../blobs/" + blob, root / "snapshots" / "c0ffee" / file);
    };
    add("models--org--m", "a.gguf", "1");
    add("models--org--m", "b.gguf", "2");
    add("models--org--other", "a.gguf", "1");
    EXPECT_EQ(cache.remove("org/nope").error().code, Code::kNotFound);
    EXPECT_EQ(cache.remove("../m").error().code, Code::kNotFound);
    ASSERT_TRUE(cache.remove("org/m", {"a.gguf"}));
    EXPECT_FALSE(std::filesystem::exists(folder / "models--org--m" / "blobs" / "1"));
    EXPECT_FALSE(std::filesystem::is_symlink(folder / "models--org--m" / "snapshots" / "c0ffee" / "a.gguf"));
    EXPECT_TRUE(std::filesystem::exists(folder / "models--org--m" / "snapshots" / "c0ffee" / "b.gguf"));
    ASSERT_TRUE(cache.remove("org/m", {"b.gguf"}));
    EXPECT_FALSE(std::filesystem::exists(folder / "models--org--m")) << "no model is left in it";
    EXPECT_TRUE(std::filesystem::exists(folder / "models--org--other" / "snapshots" / "c0ffee" / "a.gguf"));
    std::filesystem::create_directory_symlink(folder / "models--org--other", folder / "models--org--linked");
    EXPECT_EQ(cache.remove("org/linked").error().code, Code::kNotFound);
    ASSERT_TRUE(cache.remove("org/other"));
    EXPECT_FALSE(std::filesystem::exists(folder / "models--org--other"));
}

TEST(HfCache, RefusesIdsThatLeaveTheCache) {
    TempFolder folder;
    std::filesystem::create_directories(folder / "models--org--m" / "snapshots" / "1");
    const HfCache cache(folder.path());
    EXPECT_TRUE(cache.snapshot("org/m"));
    EXPECT_TRUE(cache.snapshot("org/m", "1"));
    EXPECT_FALSE(cache.snapshot("org/m", "2"));
    EXPECT_FALSE(cache.snapshot("org/m", "../1"));
    for (const char* id : {"../m", "org/..", "org", "org/m/x", "org/a--b", "/m", ""}) {
        EXPECT_FALSE(cache.snapshot(id)) << id;
    }
    EXPECT_FALSE(HfCache("").snapshot("org/m"));
}

TEST(DisplayName, IsWhatPeopleCallTheModel) {
    EXPECT_EQ(display_name("/x/qwen-q4.gguf"), "qwen-q4");
    EXPECT_EQ(display_name("/x/big-00001-of-00003.gguf"), "big");
    EXPECT_EQ(display_name("/x/hub/models--org--name/snapshots/abc"), "org/name");
    EXPECT_EQ(display_name("/x/folder/"), "folder");
}

}  // namespace
}  // namespace gantry::registry
