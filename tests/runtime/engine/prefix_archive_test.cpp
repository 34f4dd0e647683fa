#include "runtime/engine/prefix_archive.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <numeric>

#include "fakes.hpp"
#include "runtime/engine/prefix_transfer.hpp"

namespace gantry::engine {
namespace {

namespace fs = std::filesystem;
using testing::FakeModel;

PrefixArchive sample() {
    PrefixArchive a;
    a.identity = "model q8";
    a.block_size = 4;
    a.block_bytes = 6;
    a.tokens = {1, 2, 3, 4, 5, 6, 7, 8};
    for (int i = 0; i < 12; ++i) {
        a.blocks.push_back(static_cast<std::byte>(i * 17));
    }
    return a;
}

class ArchiveFile : public ::testing::Test {
  protected:
    ArchiveFile() : dir_(fs::temp_directory_path() / ("gantry-archive-" + std::to_string(::getpid()))) {
        fs::create_directory(dir_);
        path_ = dir_ / "a.kv";
    }
    ~ArchiveFile() override { fs::remove_all(dir_); }
    std::string bytes() const {
        std::ifstream in(path_, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void write(std::string_view text) const {
        std::ofstream(path_, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
    }
    fs::path dir_, path_;
};

TEST_F(ArchiveFile, ComesBackAsItWas) {
    const PrefixArchive a = sample();
    ASSERT_TRUE(write_archive(a, path_));
    const auto back = read_archive(path_);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->identity, a.identity);
    EXPECT_EQ(back->block_size, a.block_size);
    EXPECT_EQ(back->block_bytes, a.block_bytes);
    EXPECT_EQ(back->tokens, a.tokens);
    EXPECT_EQ(back->blocks, a.blocks);
    EXPECT_EQ(std::distance(fs::directory_iterator(dir_), {}), 1);
}

TEST_F(ArchiveFile, IsRefusedWhereverAByteIsWrongOrMissing) {
    ASSERT_TRUE(write_archive(sample(), path_));
    const std::string whole = bytes();
    for (size_t i = 0; i < whole.size(); ++i) {
        write(whole.substr(0, i));
        EXPECT_EQ(read_archive(path_).error().code, Code::kDataLoss) << "cut at " << i;
        for (const int flip : {1, 128}) {
            std::string bad = whole;
            bad[i] = static_cast<char>(bad[i] ^ flip);
            write(bad);
            EXPECT_EQ(read_archive(path_).error().code, Code::kDataLoss) << "byte " << i;
        }
    }
    write(whole + "x");
    EXPECT_EQ(read_archive(path_).error().code, Code::kDataLoss);
    EXPECT_EQ(read_archive(dir_ / "none").error().code, Code::kNotFound);
    EXPECT_EQ(write_archive(sample(), dir_ / "no" / "such").error().code, Code::kUnavailable);
}

/// A model with its blocks, one text of 11 tokens computed in it.
struct Side {
    Side() : model(testing::small_limits()), blocks(8, 4, true) {}
    std::vector<int32_t> contents(std::span<const BlockId> table) {
        std::vector<int32_t> out(table.size() * 4);
        EXPECT_TRUE(model.read_blocks(table, out.data()));
        return out;
    }
    FakeModel model;
    BlockManager blocks;
};

void compute(Side& side, std::span<const int32_t> tokens) {
    std::vector<BlockId> table;
    for (size_t at = 0; at + 4 <= tokens.size(); at += 4) {
        const auto parent = table.empty() ? std::nullopt : std::optional(table.back());
        const BlockId block = *side.blocks.allocate();
        ASSERT_TRUE(side.model.write_blocks({&block, 1}, tokens.data() + at));
        table.push_back(side.blocks.publish(parent, block, tokens.subspan(at, 4)));
    }
    side.blocks.release(table);
}

TEST(PrefixTransfer, BringsAComputedTextToAnotherModel) {
    Side from, to;
    std::vector<int32_t> text(11);
    std::iota(text.begin(), text.end(), 1);
    compute(from, text);
    const auto archive = export_prefix(from.blocks, from.model, text, "");
    ASSERT_TRUE(archive) << archive.error().message;
    EXPECT_EQ(archive->tokens.size(), 8u);
    compute(to, std::span(text).first(4));  // a part of it is known there
    EXPECT_EQ(import_prefix(to.blocks, to.model, *archive, "").value(), 8u);
    EXPECT_EQ(to.blocks.audit(), "");
    const auto found = to.blocks.match(text, 9);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(to.contents(found), std::vector<int32_t>(text.begin(), text.begin() + 8));
    EXPECT_EQ(to.blocks.counts().used, 0u);
}

TEST(PrefixTransfer, TakesNoBlockThatIsInUse) {
    Side from, to;
    std::vector<int32_t> text(12);
    std::iota(text.begin(), text.end(), 1);
    compute(from, text);
    const auto archive = export_prefix(from.blocks, from.model, text, "");
    for (int i = 0; i < 7; ++i) {
        (void)to.blocks.allocate();
    }
    EXPECT_EQ(import_prefix(to.blocks, to.model, *archive, "").value(), 4u);
    EXPECT_EQ(to.blocks.audit(), "");
}

TEST(PrefixTransfer, RefusesWhatIsOfAnotherModel) {
    Side from, to;
    const std::vector<int32_t> text{1, 2, 3, 4};
    compute(from, text);
    const PrefixArchive good = export_prefix(from.blocks, from.model, text, "").value();
    struct Row {
        const char* what;
        std::function<void(PrefixArchive&)> spoil;
        Code code;
    };
    for (const Row& row : {Row{"identity", [](auto& a) { a.identity += "x"; }, Code::kFailedPrecondition},
                           Row{"block size", [](auto& a) { a.block_size = 2; }, Code::kFailedPrecondition},
                           Row{"block bytes", [](auto& a) { a.block_bytes = 8; }, Code::kFailedPrecondition},
                           Row{"tokens", [](auto& a) { a.tokens[1] = 32; }, Code::kDataLoss}}) {
        PrefixArchive bad = good;
        row.spoil(bad);
        EXPECT_EQ(import_prefix(to.blocks, to.model, bad, "").error().code, row.code) << row.what;
        EXPECT_EQ(to.blocks.counts().free, 8u) << row.what;
    }
    EXPECT_EQ(export_prefix(to.blocks, to.model, text, "").error().code, Code::kNotFound);
    EXPECT_EQ(export_prefix(from.blocks, from.model, text, "other salt").error().code, Code::kNotFound);
    BlockManager off(8, 4, false);
    EXPECT_EQ(import_prefix(off, to.model, good, "").error().code, Code::kFailedPrecondition);
}

}  // namespace
}  // namespace gantry::engine
