#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "api/auth/authenticator.hpp"
#include "api/auth/sqlite_key_store.hpp"
#include "base/crypto.hpp"
#include "tests/api/api_fixture.hpp"

namespace gantry::test {
namespace {

using api::Scope;

constexpr const char* kAdminKey = "0123456789abcdef0123456789abcdef";

/// A router that asks for keys.
class AuthTest : public ApiTest {
  protected:
    AuthTest() {
        api::AuthOptions options;
        options.admin_key = kAdminKey;
        options.users = {{"ann", Scope::kLaunch, "secret:pass"}};
        auth = api::Authenticator::create(std::move(options), std::make_unique<api::MemoryKeyStore>()).value();
        services.auth = auth.get();
    }

    Reply ask(std::string method, std::string target, const std::string& key, std::string body = {}) {
        http::Request request;
        request.method = std::move(method);
        request.target = std::move(target);
        request.body = std::move(body);
        if (!key.empty()) {
            request.headers.set("Authorization", "Bearer " + key);
        }
        return send(std::move(request));
    }
    std::string make_key(const std::string& wish) {
        const Reply made = ask("POST", "/gantry/v1/keys", kAdminKey, wish);
        EXPECT_EQ(made.status, 200) << made.body;
        return std::string(made.json().at("key").as_string());
    }

    std::unique_ptr<api::Authenticator> auth;
};

/// The pattern with something in place of its parameters.
std::string concrete(std::string_view pattern) {
    std::string out;
    for (size_t at = 0; at < pattern.size(); ++at) {
        if (pattern[at] == '{') {
            at = pattern.find('}', at);
            out += 'x';
        } else {
            out += pattern[at];
        }
    }
    return out;
}

TEST_F(AuthTest, EveryRouteRefusesWithoutAKeyAndWithATooSmallScope) {
    const std::set<std::string> open{
        "/healthz",    "/readyz", "/version",      "/v1/cluster/auth", "/token", "/v1/auth/refresh",
        "/v1/address", "/status", "/openapi.json", "/api/version",     "/"};
    const std::map<Scope, std::string> below{{Scope::kInference, make_key(R"({"name":"r","scope":"read"})")},
                                             {Scope::kLaunch, make_key(R"({"name":"i","scope":"inference"})")},
                                             {Scope::kAdmin, make_key(R"({"name":"l","scope":"launch"})")}};
    ASSERT_GT(router.routes().size(), 40U);
    for (const api::Route& route : router.routes()) {
        const std::string what = std::string(route.method) + " " + std::string(route.pattern);
        const std::string path = concrete(route.pattern);
        if (route.scope == Scope::kPublic) {
            EXPECT_TRUE(open.contains(std::string(route.pattern))) << what << " is open to anybody";
            continue;
        }
        const Reply nobody = ask(std::string(route.method), path, "", "{}");
        EXPECT_EQ(nobody.status, 401) << what;
        EXPECT_EQ(nobody.header("WWW-Authenticate"), "Bearer") << what;
        EXPECT_TRUE(nobody.json().is_object()) << what;
        if (route.only_with.empty()) {
            EXPECT_EQ(nobody.json().as_object().contains("detail"), route.error_form == nullptr) << what;
        }
        EXPECT_EQ(ask(std::string(route.method), path, "gk-wrong", "{}").status, 401) << what;
        if (const auto key = below.find(route.scope); key != below.end()) {
            EXPECT_EQ(ask(std::string(route.method), path, key->second, "{}").status, 403) << what;
        }
    }
    EXPECT_TRUE(fleet.launches.empty());
}

TEST_F(AuthTest, RefusalsHaveTheFormOfTheDialect) {
    const auto message = [&](const std::string& key) {
        return ask("POST", "/v1/messages", key,
                   R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]})");
    };
    const auto expect = [](const Reply& reply, int status, std::string_view type) {
        EXPECT_EQ(reply.status, status) << reply.body;
        EXPECT_EQ(reply.json().at("type"), "error");
        EXPECT_EQ(reply.json().at("error").at("type").as_string(), type);
        EXPECT_EQ(reply.json().at("request_id").as_string(), reply.header("request-id"));
    };
    expect(message("gk-wrong"), 401, "authentication_error");
    expect(message(make_key(R"({"name":"r","scope":"read"})")), 403, "permission_error");
    const std::string few = make_key(R"({"name":"few","requests_per_minute":1})");
    expect(message(few), 404, "not_found_error");  // the model that there is not
    const Reply over = message(few);
    expect(over, 429, "rate_limit_error");
    EXPECT_GE(std::stoi(over.header("Retry-After")), 1);
    const Reply ollama = ask("POST", "/api/chat", "gk-wrong", R"({"model":"m"})");
    EXPECT_EQ(ollama.status, 401);
    EXPECT_TRUE(ollama.json().at("error").is_string());
}

TEST_F(AuthTest, KeysComeInBothHeadersAndGoAtOnceWhenTheyAreRevoked) {
    const std::string key = make_key(R"({"name":"app"})");
    EXPECT_TRUE(key.starts_with("gk-"));
    EXPECT_EQ(key.size(), 46U);
    EXPECT_EQ(ask("GET", "/v1/models", key).status, 200);
    http::Request request;
    request.target = "/v1/models";
    request.headers.set("x-api-key", key);
    EXPECT_EQ(send(request).status, 200);
    request.headers.set("Authorization", "bearer  " + key);
    EXPECT_EQ(send(request).status, 200);
    request.headers.set("Authorization", "Basic YTpi");
    EXPECT_EQ(send(request).status, 200) << "x-api-key stands beside it";

    const bj::value list = ask("GET", "/gantry/v1/keys", kAdminKey).json();
    ASSERT_EQ(list.at("data").as_array().size(), 1U);
    const bj::object& shown = list.at("data").at(0).as_object();
    EXPECT_EQ(shown.at("name"), "app");
    EXPECT_EQ(shown.at("scope"), "inference");
    EXPECT_FALSE(shown.contains("key"));
    EXPECT_EQ(bj::serialize(list).find(key.substr(3)), std::string::npos);
    EXPECT_EQ(bj::serialize(list).find(crypto::hex(crypto::sha256(key))), std::string::npos);
    const std::string id(shown.at("id").as_string());
    EXPECT_EQ(ask("DELETE", "/gantry/v1/keys/" + id, kAdminKey).status, 200);
    EXPECT_EQ(ask("GET", "/v1/models", key).status, 401);
    EXPECT_EQ(ask("DELETE", "/gantry/v1/keys/" + id, kAdminKey).status, 404);
}

TEST_F(AuthTest, WishesThatMakeNoSenseAreRefused) {
    for (const char* wish : {R"({})", R"({"name":""})", R"({"name":"a","scope":"root"})",
                             R"({"name":"a","scope":"public"})", R"({"name":"a","models":["m"],"scope":"launch"})",
                             R"({"name":"a","expires_in":0})", R"({"name":"a","requests_per_minute":-1})",
                             R"({"name":"a","colour":"red"})", R"({"name":7})", R"([])", R"()"}) {
        EXPECT_EQ(ask("POST", "/gantry/v1/keys", kAdminKey, wish).status, 400) << wish;
    }
    EXPECT_TRUE(auth->keys().empty());
}

TEST_F(AuthTest, AKeyForAModelOpensThatModelAlone) {
    fleet.add("mine");
    fleet.add("other");
    const std::string key = make_key(R"({"name":"app","models":["mine"]})");
    const auto chat = [&](const std::string& body) {
        fleet.scripts.push_back({text("hi"), finish(), usage(3, 1)});
        return ask("POST", "/v1/chat/completions", key, body).status;
    };
    EXPECT_EQ(chat(R"({"model":"mine","messages":[{"role":"user","content":"x"}]})"), 200);
    EXPECT_EQ(chat(R"({"model":"other","messages":[{"role":"user","content":"x"}]})"), 403);
    EXPECT_EQ(chat(R"({"model":"mine","model":"other","messages":[{"role":"user","content":"x"}]})"), 403);
    EXPECT_EQ(chat(R"({"model":"mine","name":"other","messages":[]})"), 403);
    EXPECT_EQ(chat(R"({"messages":[{"role":"user","content":"x"}]})"), 403);
    EXPECT_EQ(chat("not json"), 403);
    EXPECT_EQ(ask("GET", "/v1/models/mine", key).status, 200);
    EXPECT_EQ(ask("GET", "/v1/models/other", key).status, 403);
    EXPECT_EQ(ask("GET", "/v1/models/ot%68er", key).status, 403);
    EXPECT_EQ(ask("POST", "/gantry/v1/models/other/tokenize", key, R"({"text":"x"})").status, 403);
    EXPECT_EQ(ask("POST", "/gantry/v1/models/mine/tokenize", key, R"({"text":"x"})").status, 200);
}

TEST_F(AuthTest, QuotasAreToldAndKept) {
    fleet.add("m");
    const std::string key = make_key(R"({"name":"app","requests_per_minute":3,"tokens_per_minute":100})");
    const auto chat = [&] {
        fleet.scripts.push_back({text("hi"), finish(), usage(90, 20)});
        return ask("POST", "/v1/chat/completions", key, R"({"model":"m","messages":[{"role":"user","content":"x"}]})");
    };
    const Reply first = chat();
    EXPECT_EQ(first.status, 200);
    EXPECT_EQ(first.header("x-ratelimit-limit-requests"), "3");
    EXPECT_EQ(first.header("x-ratelimit-remaining-requests"), "2");
    EXPECT_EQ(first.header("x-ratelimit-limit-tokens"), "100");
    EXPECT_EQ(first.header("x-ratelimit-remaining-tokens"), "100");
    const Reply second = chat();
    EXPECT_EQ(second.status, 429) << "110 of 100 tokens are used";
    EXPECT_NE(second.message().find("tokens"), std::string::npos);
    EXPECT_GE(std::stoi(second.header("Retry-After")), 1);
    EXPECT_EQ(second.header("x-ratelimit-remaining-tokens"), "0");

    const std::string few = make_key(R"({"name":"few","requests_per_minute":1})");
    EXPECT_EQ(ask("GET", "/v1/models", few).status, 200);
    const Reply over = ask("GET", "/v1/models", few);
    EXPECT_EQ(over.status, 429);
    EXPECT_EQ(over.header("x-ratelimit-remaining-requests"), "0");
    EXPECT_EQ(over.header("x-ratelimit-limit-tokens"), "");

    const std::string metrics = ask("GET", "/metrics", kAdminKey).body;
    EXPECT_NE(metrics.find("gantry_quota_refusals_total{quota=\"tokens\"} 1"), std::string::npos) << metrics;
    EXPECT_NE(metrics.find("gantry_quota_refusals_total{quota=\"requests\"} 1"), std::string::npos);
    EXPECT_NE(metrics.find("kind=\"prompt\"} 90"), std::string::npos);
}

TEST_F(AuthTest, EncodedTextsCountAgainstTheQuota) {
    fleet.add("m");
    const struct {
        const char *path, *body;
        int tokens;  ///< the fake has two for each text
    } calls[] = {{"/v1/embeddings", R"({"model":"m","input":["a","b"]})", 4},
                 {"/v1/rerank", R"({"model":"m","query":"q","documents":["a","b","c"]})", 6},
                 {"/api/embed", R"({"model":"m","input":"a"})", 2}};
    for (const auto& one : calls) {
        const std::string key = make_key(R"({"name":"app","tokens_per_minute":100})");
        ASSERT_EQ(ask("POST", one.path, key, one.body).status, 200) << one.path;
        EXPECT_EQ(ask("GET", "/v1/models", key).header("x-ratelimit-remaining-tokens"),
                  std::to_string(100 - one.tokens))
            << one.path;
    }
}

TEST_F(AuthTest, AKeyIsTheFairShareOfWhoeverNamesNoUser) {
    fleet.add("m");
    const std::string key = make_key(R"({"name":"app"})");
    for (const char* user : {"", R"("user":"bob",)"}) {
        fleet.scripts.push_back({text("hi"), finish(), usage(3, 1)});
        ask("POST", "/v1/chat/completions", key,
            "{" + std::string(user) + R"("model":"m","messages":[{"role":"user","content":"x"}]})");
    }
    ASSERT_EQ(fleet.requests.size(), 2U);
    EXPECT_EQ(fleet.requests[0].share_key, auth->keys().list().front().id);
    EXPECT_EQ(fleet.requests[1].share_key, "bob");
}

TEST_F(AuthTest, LoginGivesTokensAsXinferenceDoes) {
    EXPECT_EQ(get("/v1/cluster/auth").body, R"({"auth":true})");
    const Reply wrong = post("/token", R"({"username":"ann","password":"no"})");
    EXPECT_EQ(wrong.status, 401);
    EXPECT_EQ(wrong.json().at("detail"), "Incorrect username or password");
    EXPECT_EQ(post("/token", R"({"username":"bob","password":"secret:pass"})").status, 401);
    EXPECT_EQ(post("/token", R"({"username":"ann"})").status, 400);
    const bj::value pair = post("/token", R"({"username":"ann","password":"secret:pass"})").json();
    EXPECT_EQ(pair.at("token_type"), "bearer");
    const std::string token(pair.at("access_token").as_string());
    EXPECT_EQ(ask("GET", "/v1/models", token).status, 200);
    EXPECT_EQ(ask("GET", "/v1/auth/me", token).json().at("name"), "ann");
    EXPECT_EQ(ask("GET", "/v1/cluster/info", token).status, 403) << "ann is no admin";

    const std::string refresh(pair.at("refresh_token").as_string());
    EXPECT_EQ(ask("GET", "/v1/models", refresh).status, 401);
    const Reply renewed = post("/v1/auth/refresh", R"({"refresh_token":")" + refresh + R"("})");
    EXPECT_EQ(renewed.status, 200);
    EXPECT_EQ(post("/v1/auth/refresh", R"({"refresh_token":")" + refresh + R"("})").status, 401);
    EXPECT_EQ(ask("GET", "/v1/models", token).status, 401);
    const std::string second(renewed.json().at("access_token").as_string());
    EXPECT_EQ(ask("POST", "/v1/auth/logout", second).status, 200);
    EXPECT_EQ(ask("GET", "/v1/models", second).status, 401);
}

TEST_F(AuthTest, ManyWrongPasswordsCloseTheDoorForAWhile) {
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(post("/token", R"({"username":"ann","password":"no"})").status, 401);
    }
    const Reply closed = post("/token", R"({"username":"ann","password":"secret:pass"})");
    EXPECT_EQ(closed.status, 429);
    EXPECT_GT(std::stoi(closed.header("Retry-After")), 200);
}

TEST(Authenticator, AsksForNothingUntilThereIsSomethingToShow) {
    const auto made = api::Authenticator::create({}, std::make_unique<api::MemoryKeyStore>()).value();
    http::Request request;
    EXPECT_FALSE(made->required());
    EXPECT_TRUE(made->identify(request, 0).who->may(Scope::kAdmin));
    api::ApiKey wish;
    wish.name = "first";
    EXPECT_EQ(made->keys().create(wish, 100).error().code, Code::kFailedPrecondition) << "it would lock everybody out";
    wish.scope = Scope::kAdmin;
    wish.expires = 200;
    const auto key = made->keys().create(wish, 100).value();
    EXPECT_TRUE(made->required());
    EXPECT_EQ(made->identify(request, 100).reason, "missing");
    request.headers.set("x-api-key", key.secret);
    EXPECT_EQ(made->identify(request, 199).who->name, "first");
    EXPECT_EQ(made->identify(request, 200).reason, "expired");

    wish.scope = Scope::kRead;
    ASSERT_TRUE(made->keys().create(wish, 101));
    EXPECT_EQ(made->keys().revoke(key.key.id).error().code, Code::kFailedPrecondition) << "the last admin";
    api::AuthOptions off;
    off.mode = api::AuthMode::kOff;
    ASSERT_TRUE(made->reconfigure(std::move(off)));
    EXPECT_TRUE(made->identify({}, 100).who.has_value());
}

TEST(KeyStore, KeysOutliveTheServerAndADamagedFileLetsNobodyIn) {
    std::string folder = ::testing::TempDir() + "gantry-keys-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const std::filesystem::path file = folder + "/keys.db";
    api::ApiKey wish;
    wish.name = "ünï \"quoted\"";
    wish.models = {"a b", "c"};
    wish.scope = Scope::kInference;
    wish.limits = {7, uint64_t{1} << 40};
    wish.expires = 500;
    std::string secret, gone;
    {
        auto ring = api::KeyRing::open(api::open_key_store(file).value()).value();
        const auto made = ring.create(wish, 100, true).value();
        secret = made.secret;
        gone = ring.create(wish, 100, true).value().key.id;
        ASSERT_TRUE(ring.revoke(gone));
    }
    {
        const auto ring = api::KeyRing::open(api::open_key_store(file).value()).value();
        ASSERT_EQ(ring.list().size(), 1U);
        const api::ApiKey* key = ring.find(secret);
        ASSERT_NE(key, nullptr);
        EXPECT_EQ(key->name, wish.name);
        EXPECT_EQ(key->models, wish.models);
        EXPECT_EQ(key->scope, Scope::kInference);
        EXPECT_EQ(key->limits.requests_per_minute, 7U);
        EXPECT_EQ(key->limits.tokens_per_minute, uint64_t{1} << 40);
        EXPECT_EQ(key->created, 100);
        EXPECT_EQ(key->expires, 500);
    }
    std::ofstream(file, std::ios::trunc) << std::string(8192, 'x');
    EXPECT_EQ(api::open_key_store(file).error().code, Code::kDataLoss);
    std::filesystem::remove_all(folder);
}

TEST_F(ApiTest, WithoutKeysAPageFromElsewhereCannotChangeAnything) {
    const auto made = api::Authenticator::create({}, std::make_unique<api::MemoryKeyStore>()).value();
    services.auth = made.get();
    http::Request request;
    request.method = "POST";
    request.target = "/gantry/v1/keys";
    request.body = R"({"name":"a","scope":"admin"})";
    request.headers.set("Host", "127.0.0.1:9997");
    request.headers.set("Origin", "http://evil.example");
    EXPECT_EQ(send(request).status, 403);
    EXPECT_TRUE(made->keys().empty());
    request.headers.set("Origin", "http://localhost:3000");
    EXPECT_EQ(send(request).status, 200);
}

TEST(Quotas, FillEvenly) {
    using std::chrono::milliseconds;
    api::Quotas quotas;
    api::Principal who;
    who.key_id = "k";
    who.limits.requests_per_minute = 60;
    const api::Quotas::Time begin{};
    for (int i = 0; i < 60; ++i) {
        EXPECT_EQ(quotas.take(who, begin).lack, api::Quotas::Lack::kNone);
    }
    const auto verdict = quotas.take(who, begin + milliseconds(250));
    EXPECT_EQ(verdict.lack, api::Quotas::Lack::kRequests);
    EXPECT_NEAR(verdict.wait_seconds, 0.75, 1e-9);
    EXPECT_EQ(quotas.take(who, begin + milliseconds(1000)).lack, api::Quotas::Lack::kNone);
    EXPECT_EQ(quotas.take(who, begin + milliseconds(1001)).lack, api::Quotas::Lack::kRequests);
    EXPECT_EQ(api::reset_text(0.12), "120ms");
    EXPECT_EQ(api::reset_text(59.5), "1m0s");
    EXPECT_EQ(api::reset_text(1.0), "1s");
    EXPECT_EQ(api::reset_text(360), "6m0s");
}

TEST(Passwords, FitOnlyTheirHash) {
    const std::string hash = api::hashed_password("open sesame");
    EXPECT_TRUE(hash.starts_with("$pbkdf2-sha256$600000$"));
    EXPECT_TRUE(api::password_fits("open sesame", hash));
    EXPECT_FALSE(api::password_fits("open", hash));
    EXPECT_FALSE(api::password_fits(hash, hash)) << "the hash is no password";
    EXPECT_TRUE(api::password_fits("plain", "plain"));
    EXPECT_FALSE(api::password_fits("", "$pbkdf2-sha256$"));
    EXPECT_FALSE(api::password_fits("", "$pbkdf2-sha256$1$$"));
    EXPECT_FALSE(api::parse_user("ann:admin"));
    EXPECT_FALSE(api::parse_user("ann:boss:x"));
    EXPECT_EQ(api::parse_user("ann:admin:a:b").value().secret, "a:b");
}

TEST(Crypto, AgreesWithTheStandardsExamples) {
    EXPECT_EQ(crypto::hex(crypto::sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(crypto::hex(crypto::hmac_sha256("Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");  // RFC 4231, 2
    EXPECT_EQ(crypto::hex(crypto::pbkdf2_sha256("passwd", "salt", 1)),
              "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");  // RFC 7914, 11
    for (const char* text : {"", "f", "fo", "foo", "foob", "\xff\xfe"}) {
        EXPECT_EQ(crypto::base64url_decode(crypto::base64url(text)), text);
    }
    EXPECT_EQ(crypto::base64url("\xff\xfe"), "__4");
    EXPECT_FALSE(crypto::base64url_decode("a"));
    EXPECT_FALSE(crypto::base64url_decode("a+b="));
}

}  // namespace
}  // namespace gantry::test
