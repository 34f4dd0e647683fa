/// Names of models, which addresses may be asked, which files are chosen, and the journal of a download.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "registry/download/hosts.hpp"
#include "registry/download/journal.hpp"
#include "registry/hf_cache.hpp"
#include "registry/reference.hpp"
#include "registry/sources/select.hpp"
#include "tests/registry/files.hpp"

namespace gantry {
namespace {

using registry::parse_reference;
using registry::Source;
using ::testing::HasSubstr;

TEST(Reference, ReadsEachForm) {
    const auto hub = parse_reference("hf:org/repo@v1.0:Q4_K_M").value();
    EXPECT_EQ(hub.source, Source::kHuggingFace);
    EXPECT_EQ(hub.name, "org/repo");
    EXPECT_EQ(hub.revision, "v1.0");
    EXPECT_EQ(hub.quantization, "Q4_K_M");
    EXPECT_EQ(parse_reference("ms:org/repo:sub/m.gguf").value().file, "sub/m.gguf");
    const auto ollama = parse_reference("ollama:llama3.2:3b").value();
    EXPECT_EQ(ollama.repository(), "library/llama3.2");
    EXPECT_EQ(ollama.revision, "3b");
    EXPECT_EQ(parse_reference("ollama:me/mine").value().revision, "latest");
    const auto url = parse_reference("https://h/a/m.gguf?x=1#sha256=" + std::string(64, 'A')).value();
    EXPECT_EQ(url.name, "https://h/a/m.gguf?x=1");
    EXPECT_EQ(url.file, "m.gguf");
    EXPECT_EQ(url.sha256, std::string(64, 'a'));
    EXPECT_TRUE(registry::is_repository_id(url.repository()));
    EXPECT_EQ(parse_reference("file:///m.gguf").value().name, "/m.gguf");
    EXPECT_EQ(parse_reference("qwen3:0.6:q8_0").value().source, Source::kName);
}

TEST(Reference, RefusesWhatWouldLeadElsewhere) {
    for (const char* text :
         {"", "hf:", "hf:repo", "hf:../x", "hf:org/repo@../../x", "hf:org/repo@a/b", "hf:org/repo:../m.gguf",
          "hf:org/repo:/m.gguf", "hf:org/repo:", "hf:a/b/c", "ollama:", "ollama:a/b/c", "ollama:m:../x",
          "https://h/m.bin", "https://h/%2e%2e.gguf", "https://h/m.gguf#sha256=zz", "https://h/m.gguf#x"}) {
        EXPECT_FALSE(parse_reference(text)) << text;
    }
}

TEST(Hosts, OnlyThoseOfTheListAreAsked) {
    const std::vector<std::string> hosts{"hub.co", "*.cdn.co", "http://old.org", "127.0.0.1"};
    for (const char* url : {"https://hub.co/x", "https://HUB.co:8443/x", "https://eu.cdn.co/", "http://old.org/x",
                            "https://old.org", "http://127.0.0.1:80/x"}) {
        EXPECT_TRUE(download::check_url(url, hosts)) << url;
    }
    for (const char* url : {"http://hub.co/x", "https://cdn.co/x", "https://evilcdn.co/", "https://hub.co.evil.org/",
                            "https://hub.co@evil.org/", "file:///etc/passwd", "ftp://hub.co/", "https://user@hub.co/",
                            "http://169.254.169.254/", "http://[::1]/", "hub.co/x", ""}) {
        EXPECT_FALSE(download::check_url(url, hosts)) << url;
    }
}

sources::Listing listing(const std::vector<std::pair<std::string, uint64_t>>& files) {
    sources::Listing out;
    for (const auto& [path, gibibytes] : files) {
        sources::RemoteFile file;
        file.path = path;
        file.size = gibibytes << 30;
        out.files.push_back(std::move(file));
    }
    return out;
}

TEST(Select, TakesTheBestQuantisationThatFitsAndSaysWhy) {
    const auto all = listing({{"m-Q8_0.gguf", 8}, {"m-Q4_K_M.gguf", 5}, {"m-Q2_K.gguf", 3}, {"m-IQ4_XS.gguf", 4}});
    struct Case {
        uint64_t memory;
        const char* quantization;
        const char* why;
    };
    for (const Case& c : {Case{0, "Q4_K_M", "the usual compromise"}, Case{16, "Q4_K_M", "fits 16.0 GiB"},
                          Case{5, "IQ4_XS", "the best that fits 5.0 GiB"}, Case{2, "Q2_K", "may not fit"}}) {
        const auto chosen = sources::select_files(all, {.memory = c.memory << 30}).value();
        EXPECT_EQ(chosen.quantization, c.quantization);
        EXPECT_THAT(chosen.why, HasSubstr(c.why));
        EXPECT_EQ(chosen.files.size(), 1U);
    }
    EXPECT_EQ(sources::select_files(all, {.quantization = "q8_0", .memory = 1}).value().quantization, "Q8_0");
    const auto none = sources::select_files(all, {.quantization = "Q6_K"}).error();
    EXPECT_EQ(none.code, Code::kNotFound);
    EXPECT_THAT(none.hint, HasSubstr("Q4_K_M, Q8_0, IQ4_XS, Q2_K"));
}

TEST(Select, WantsAllPartsOfAFile) {
    auto some = listing({{"Q8_0/m-00001-of-00002.gguf", 4}, {"Q8_0/m-00002-of-00002.gguf", 4}});
    EXPECT_EQ(sources::select_files(some, {}).value().files.size(), 2U);
    some.files.pop_back();
    EXPECT_EQ(sources::select_files(some, {}).error().code, Code::kDataLoss);
    EXPECT_THAT(sources::select_files(listing({{"pytorch_model.bin", 1}}), {}).error().hint, HasSubstr("pickled"));
}

TEST(Journal, ComesBackAsItWasAndNotWhenItIsDamaged) {
    const registry::testing::TempFolder folder;
    const auto path = folder.path() / "j";
    auto journal = download::Journal::fresh(100, "sum", 3, 10);
    ASSERT_EQ(journal.segments.size(), 3U);
    EXPECT_EQ(journal.segments.back().end, 100U);
    journal.segments[1].done = 7;
    ASSERT_TRUE(journal.write(path));
    const auto again = download::Journal::read(path).value();
    EXPECT_EQ(again.done(), 7U);
    EXPECT_EQ(again.identity, "sum");
    for (const char* text : {"", "gantry-download-1 100 sum 1\n0 100 7\n", "gantry-download-1 100 sum 1\n0 90 7\nend\n",
                             "gantry-download-1 100 sum 1\n0 100 101\nend\n", "gantry-download-1 100 sum 0\nend\n",
                             "gantry-download-1 100 sum 2\n0 50 1\n60 100 1\nend\n"}) {
        std::ofstream(path) << text;
        EXPECT_EQ(download::Journal::read(path).error().code, Code::kDataLoss) << text;
    }
}

}  // namespace
}  // namespace gantry
