#include "api/auth/jwt.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

namespace gantry::test {
namespace {

namespace bj = boost::json;
using api::Scope;

/// Keys and tokens that other programs made (generate_jwt.py).
class Jwt : public ::testing::Test {
  protected:
    Jwt() {
        std::ifstream file(GANTRY_SOURCE_DIR "/tests/api/jwt_vectors.json");
        std::stringstream text;
        text << file.rdbuf();
        vectors = bj::parse(text.str()).as_object();
        now = vectors.at("now").to_number<int64_t>();
    }
    /// Writes a key file and makes a verifier of it.
    Result<api::JwtVerifier> verifier(const std::string& keys, std::string audience = "gantry") {
        const std::string file = ::testing::TempDir() + "gantry-jwks-" +
                                 ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".json";
        std::ofstream(file) << keys;
        api::JwtOptions options;
        options.issuers = {{"https://idp.example/?a=b", file}};
        options.audience = std::move(audience);
        return api::JwtVerifier::create(std::move(options));
    }
    Result<api::JwtVerifier> verifier() { return verifier(bj::serialize(vectors.at("jwks"))); }

    bj::object vectors;
    int64_t now = 0;
};

TEST_F(Jwt, TokensOfATrustedIssuerAreAccepted) {
    const auto made = verifier();
    ASSERT_TRUE(made) << made.error().text();
    for (const auto& [what, token] : vectors.at("good").as_object()) {
        ASSERT_TRUE(api::JwtVerifier::looks_like_one(token.as_string()));
        const auto who = made->verify(token.as_string(), now);
        ASSERT_TRUE(who) << what << ": " << who.error().text();
        EXPECT_EQ(who->name, "ann") << what;
        EXPECT_EQ(who->scope, Scope::kLaunch) << what;
        EXPECT_EQ(who->key_id, "jwt:https://idp.example/?a=b:ann") << what;
    }
}

TEST_F(Jwt, AllOthersAreNot) {
    const auto made = verifier().value();
    for (const auto& [what, token] : vectors.at("bad").as_object()) {
        const auto who = made.verify(token.as_string(), now);
        ASSERT_FALSE(who) << what;
        EXPECT_EQ(who.error().code, Code::kUnauthenticated) << what;
    }
    EXPECT_EQ(made.verify(vectors.at("no scope").as_string(), now).error().code, Code::kPermissionDenied);
    EXPECT_FALSE(made.verify(std::string(20'000, 'a') + "..", now));
    EXPECT_FALSE(made.verify("", now));
}

TEST_F(Jwt, TheAudienceMayBeLeftOpen) {
    const auto made = verifier(bj::serialize(vectors.at("jwks")), "").value();
    EXPECT_TRUE(made.verify(vectors.at("bad").at("other audience").as_string(), now));
}

TEST_F(Jwt, KeyFilesAreCheckedWhenTheyAreRead) {
    for (const std::string& keys :
         {std::string("{"), std::string("{}"), std::string(R"({"keys":[]})"), bj::serialize(vectors.at("small")),
          std::string(R"({"keys":[{"kty":"oct","k":"c2hvcnQ"}]})"),
          std::string(R"({"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]})"),
          std::string(R"({"keys":[{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}]})")}) {
        const auto made = verifier(keys);
        ASSERT_FALSE(made) << keys;
        EXPECT_NE(made.error().text().find("gantry-jwks-"), std::string::npos) << made.error().text();
    }
    api::JwtOptions options;
    options.issuers = {{"a", "/nowhere.json"}};
    EXPECT_EQ(api::JwtVerifier::create(std::move(options)).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace gantry::test
