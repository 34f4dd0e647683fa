// The binary contract may grow at its ends and in no other way: the layout is compared with the golden file of the
// version. A deliberate change of the draft is recorded with GANTRY_UPDATE_GOLDEN=1.

#include <gantry/abi.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "layout.h"

namespace {

using Rows = std::vector<layout_row_t>;

Rows rows(const layout_row_t* (*source)(size_t*)) {
    size_t count = 0;
    const layout_row_t* begin = source(&count);
    return {begin, begin + count};
}

std::string text(const Rows& all) {
    std::ostringstream out;
    for (const layout_row_t& row : all) {
        if (row.member == nullptr) {
            out << row.type << ' ' << row.size << '\n';
        } else {
            out << "  " << row.member << ' ' << row.offset << ' ' << row.size << '\n';
        }
    }
    return out.str();
}

std::string golden_path() {
    return std::string(GANTRY_SOURCE_DIR "/sdk/abi/golden/") + std::to_string(GANTRY_ABI_MAJOR) + '.' +
           std::to_string(GANTRY_ABI_MINOR) + ".txt";
}

TEST(AbiLayout, IsTheSameInCAndCpp) { EXPECT_EQ(text(rows(layout_seen_from_c)), text(rows(layout_seen_from_cpp))); }

TEST(AbiLayout, MatchesTheGoldenFile) {
    const std::string now = text(rows(layout_seen_from_c));
    if (std::getenv("GANTRY_UPDATE_GOLDEN") != nullptr) {
        std::ofstream(golden_path()) << now;
    }
    std::ifstream file(golden_path());
    ASSERT_TRUE(file) << golden_path() << " is missing";
    std::ostringstream golden;
    golden << file.rdbuf();
    EXPECT_EQ(now, golden.str()) << "the ABI's layout changed";
}

// Padding would hold stale bytes that a later version cannot use, and would hide a member missing from layout.inc.
TEST(AbiLayout, HasNoPadding) {
    const Rows all = rows(layout_seen_from_c);
    std::string type;
    size_t end = 0, size = 0;
    for (const layout_row_t& row : all) {
        if (row.member == nullptr) {
            EXPECT_EQ(end, size) << type << " has a gap at its end";
            type = row.type, size = row.size, end = 0;
            continue;
        }
        EXPECT_EQ(row.offset, end) << row.type << " has a gap before " << row.member;
        end = row.offset + row.size;
    }
    EXPECT_EQ(end, size) << type << " has a gap at its end";
}

// gantry_str_t and gantry_option_t are values that never grow; everything else says how much of it there is.
TEST(AbiLayout, EveryStructBeginsWithItsSize) {
    const Rows all = rows(layout_seen_from_c);
    for (size_t i = 0; i + 1 < all.size(); ++i) {
        const std::string type = all[i].type;
        if (all[i].member == nullptr && type != "gantry_str_t" && type != "gantry_option_t") {
            EXPECT_STREQ(all[i + 1].member, "struct_size") << type;
            EXPECT_EQ(all[i + 1].size, 4u) << type;
        }
    }
}

TEST(AbiMacros, HasLooksAtSizeAndPointer) {
    gantry_error_t error{};
    error.destroy = [](gantry_error_t*) {};
    const struct {
        uint32_t size;
        bool covered;
    } cases[] = {{0, false},
                 {GANTRY_SIZE(gantry_error_t, hint), false},
                 {GANTRY_SIZE(gantry_error_t, destroy) - 1, false},
                 {GANTRY_SIZE(gantry_error_t, destroy), true},
                 {GANTRY_SIZE(gantry_error_t, destroy) + 64, true}};
    for (const auto& c : cases) {
        error.struct_size = c.size;
        EXPECT_EQ(GANTRY_HAS(&error, gantry_error_t, destroy), c.covered) << c.size;
    }
    error.destroy = nullptr;
    EXPECT_FALSE(GANTRY_HAS(&error, gantry_error_t, destroy));
}

TEST(AbiMacros, VersionsCompareAsNumbers) {
    EXPECT_LT(GANTRY_MAKE_VERSION(0, 9), GANTRY_MAKE_VERSION(1, 0));
    EXPECT_LT(GANTRY_MAKE_VERSION(1, 9), GANTRY_MAKE_VERSION(1, 10));
    EXPECT_EQ(GANTRY_VERSION_MAJOR(GANTRY_MAKE_VERSION(3, 7)), 3u);
    EXPECT_EQ(GANTRY_VERSION_MINOR(GANTRY_MAKE_VERSION(3, 7)), 7u);
}

}  // namespace
