#include <gtest/gtest.h>

#include <gantry/cpp/backend.hpp>
#include <gantry/cpp/manifest.hpp>
#include <stdexcept>
#include <vector>

#include "tests/sdk/support/plugin.hpp"
#include "tests/sdk/support/test_model.hpp"

namespace gantry::sdk {
namespace {

/// What f throws.
template <class F>
Error thrown(F&& f) {
    try {
        f();
    } catch (const Error& e) {
        return e;
    }
    return {0, "nothing was thrown"};
}

TEST(Guard, TurnsEveryExceptionIntoAnError) {
    EXPECT_EQ(guard([] {}), nullptr);
    const auto own = test::take(guard([] { throw Error(GANTRY_ERR_NOT_FOUND, "what", "hint"); }));
    EXPECT_EQ(own->code, GANTRY_ERR_NOT_FOUND);
    EXPECT_EQ(own->message, "what");
    EXPECT_EQ(own->hint, "hint");
    EXPECT_EQ(test::take(guard([] { throw std::bad_alloc(); }))->code, GANTRY_ERR_OUT_OF_MEMORY);
    EXPECT_EQ(test::take(guard([] { throw std::runtime_error("odd"); }))->message, "odd");
    EXPECT_EQ(test::take(guard([] { throw 7; }))->code, GANTRY_ERR_INTERNAL);
}

TEST(Structs, AnOlderSendersMissingMembersAreZero) {
    gantry_load_spec_t old{};
    old.struct_size = GANTRY_SIZE(gantry_load_spec_t, block_size);
    old.block_size = 32;
    old.max_context = 99;  // beyond its size: not part of it
    const auto known = read_struct(&old);
    EXPECT_EQ(known.block_size, 32U);
    EXPECT_EQ(known.max_context, 0U);
    EXPECT_EQ(read_struct<gantry_load_spec_t>(nullptr).block_size, 0U);
}

TEST(Structs, FillWritesNoMoreThanTheReceiverHas) {
    struct Grown {
        uint32_t struct_size, first, second;
    };
    const Grown value{sizeof(Grown), 1, 2};
    Grown old{GANTRY_SIZE(Grown, first), 0, 77};
    fill_struct(&old, value, GANTRY_SIZE(Grown, first));
    EXPECT_EQ(old.first, 1U);
    EXPECT_EQ(old.second, 77U);
    EXPECT_EQ(old.struct_size, GANTRY_SIZE(Grown, first));
    Grown unset{0, 0, 77};
    fill_struct(&unset, value, GANTRY_SIZE(Grown, first));
    EXPECT_EQ(unset.first, 1U);
    EXPECT_EQ(unset.second, 77U);
}

TEST(Negotiation, EveryPairOfRangesEitherMeetsOrNamesBoth) {
    for (uint32_t host_min = 1; host_min <= 6; ++host_min) {
        for (uint32_t host_max = host_min; host_max <= 6; ++host_max) {
            for (uint32_t own_min = 1; own_min <= 6; ++own_min) {
                for (uint32_t own_max = own_min; own_max <= 6; ++own_max) {
                    gantry_entry_args_t args{};
                    args.struct_size = GANTRY_SIZE(gantry_entry_args_t, backend);
                    args.host_abi_min = GANTRY_MAKE_VERSION(2, host_min);
                    args.host_abi_max = GANTRY_MAKE_VERSION(2, host_max);
                    const uint32_t low = GANTRY_MAKE_VERSION(2, own_min), high = GANTRY_MAKE_VERSION(2, own_max);
                    if (host_max >= own_min && own_max >= host_min) {
                        EXPECT_EQ(negotiate(&args, low, high), std::min(high, args.host_abi_max));
                    } else {
                        const Error e = thrown([&] { negotiate(&args, low, high); });
                        EXPECT_EQ(e.code(), GANTRY_ERR_FAILED_PRECONDITION);
                        for (const uint32_t v : {args.host_abi_min, args.host_abi_max, low, high}) {
                            EXPECT_NE(e.message().find(version_text(v)), std::string::npos);
                        }
                    }
                }
            }
        }
    }
}

TEST(Negotiation, RefusesAHostTableThatIsTooSmall) {
    gantry_host_t host{};
    host.struct_size = 12;
    gantry_entry_args_t args{};
    args.struct_size = GANTRY_SIZE(gantry_entry_args_t, backend);
    args.host_abi_min = args.host_abi_max = GANTRY_ABI_VERSION;
    args.host = &host;
    EXPECT_EQ(thrown([&] { negotiate(&args); }).code(), GANTRY_ERR_INVALID_ARGUMENT);
}

TEST(ManifestReading, ErrorsNameTheKeyAndWhatWasFound) {
    test::TestModel model;
    model.architecture = "llama";
    model.hyper = {{"a", int64_t{7}}, {"b", 2.5}, {"c", std::string("text")}, {"d", true}};
    const test::TestManifest abi(model, false);
    const Manifest m(abi.get());
    EXPECT_EQ(m.architecture(), "llama");
    EXPECT_EQ(m.get_int("a"), 7);
    EXPECT_EQ(m.get_float("a"), 7.0);
    EXPECT_EQ(m.get_float("b"), 2.5);
    EXPECT_EQ(m.get_string("c"), "text");
    EXPECT_TRUE(m.get_bool("d"));
    EXPECT_FALSE(m.find_int("z"));
    EXPECT_FALSE(m.find_float_array("z"));
    EXPECT_EQ(thrown([&] { m.get_int("z"); }).code(), GANTRY_ERR_NOT_FOUND);
    const Error type = thrown([&] { m.find_int("c"); });
    EXPECT_EQ(type.code(), GANTRY_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(type.message(), "the model's hyperparameter 'c' is a string, an integer expected");
    EXPECT_EQ(thrown([&] { m.get_int("a", 1, 5); }).message(), "the model's hyperparameter 'a' is 7, 1 to 5 expected");
    EXPECT_EQ(thrown([&] { m.find_int("b"); }).code(), GANTRY_ERR_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace gantry::sdk
