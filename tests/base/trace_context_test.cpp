#include "base/trace_context.hpp"

#include <gtest/gtest.h>

#include <set>

namespace gantry {
namespace {

const std::string kTrace = "0af7651916cd43dd8448eb211c80319c", kSpan = "b7ad6b7169203331";

TEST(TraceContext, ReadsWhatTheStandardAllows) {
    struct Case {
        std::string text;
        bool good, sampled = true;
    };
    for (const Case& c : std::vector<Case>{{"00-" + kTrace + "-" + kSpan + "-01", true},
                                           {"00-" + kTrace + "-" + kSpan + "-00", true, false},
                                           {"00-" + kTrace + "-" + kSpan + "-03", true},
                                           {"cc-" + kTrace + "-" + kSpan + "-01-what-comes-later", true},
                                           {"cc-" + kTrace + "-" + kSpan + "-01.what", false},
                                           {"00-" + kTrace + "-" + kSpan + "-01-more", false},
                                           {"ff-" + kTrace + "-" + kSpan + "-01", false},
                                           {"00-" + std::string(32, '0') + "-" + kSpan + "-01", false},
                                           {"00-" + kTrace + "-" + std::string(16, '0') + "-01", false},
                                           {"00-0AF7651916cd43dd8448eb211c80319c-" + kSpan + "-01", false},
                                           {"00-" + kTrace + "-" + kSpan + "-0", false},
                                           {"00-" + kTrace + "-" + kSpan + "-0x", false},
                                           {"", false}}) {
        const auto read = parse_traceparent(c.text);
        ASSERT_EQ(read.has_value(), c.good) << c.text;
        if (read) {
            EXPECT_EQ(read->trace_id, kTrace);
            EXPECT_EQ(read->span_id, kSpan);
            EXPECT_EQ(read->sampled, c.sampled) << c.text;
        }
    }
}

TEST(TraceContext, WritesWhatItReads) {
    const TraceContext context{kTrace, kSpan, false};
    const auto back = parse_traceparent(context.text());
    ASSERT_TRUE(back);
    EXPECT_EQ(back->text(), "00-" + kTrace + "-" + kSpan + "-00");
}

TEST(TraceContext, MakesIdsOfItsOwn) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        const TraceContext made{random_hex(32), random_hex(16)};
        EXPECT_TRUE(parse_traceparent(made.text())) << made.text();
        EXPECT_TRUE(seen.insert(made.trace_id).second);
    }
}

}  // namespace
}  // namespace gantry
