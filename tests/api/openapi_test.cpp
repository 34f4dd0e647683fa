#include "api/http/openapi.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/api/api_fixture.hpp"

namespace gantry::test {
namespace {

using OpenApi = ApiTest;

std::string lowered(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return out;
}

/// Every "$ref" below a value.
void references(const bj::value& value, std::set<std::string>& out) {
    if (const bj::object* object = value.if_object()) {
        for (const auto& [name, member] : *object) {
            if (name == "$ref") {
                out.emplace(member.as_string());
            }
            references(member, out);
        }
    } else if (const bj::array* array = value.if_array()) {
        for (const bj::value& item : *array) {
            references(item, out);
        }
    }
}

TEST_F(OpenApi, HasEveryRouteAndNothingElse) {
    const bj::value document = get("/openapi.json").json();
    EXPECT_EQ(document.at("openapi"), "3.1.0");
    const bj::object& paths = document.at("paths").as_object();
    size_t operations = 0;
    std::set<std::string> ids;
    for (const auto& [path, methods] : paths) {
        for (const auto& [method, operation] : methods.as_object()) {
            ++operations;
            EXPECT_TRUE(ids.emplace(operation.at("operationId").as_string()).second) << method << " " << path;
            EXPECT_FALSE(operation.at("summary").as_string().empty()) << path;
        }
    }
    const auto documented = std::count_if(router.routes().begin(), router.routes().end(),
                                          [](const api::Route& route) { return route.only_with.empty(); });
    EXPECT_EQ(operations, static_cast<size_t>(documented));
    for (const api::Route& route : router.routes()) {
        const auto* path = paths.if_contains(route.pattern);
        ASSERT_NE(path, nullptr) << route.pattern;
        const bj::value* operation = path->as_object().if_contains(lowered(route.method));
        ASSERT_NE(operation, nullptr) << route.method << " " << route.pattern;
        EXPECT_EQ(std::string_view(operation->at("x-gantry-scope").as_string()), api::scope_name(route.scope))
            << route.pattern;
        EXPECT_EQ(operation->as_object().contains("security"), route.scope == api::Scope::kPublic) << route.pattern;
        const bj::object& answers = operation->at("responses").as_object();
        for (const char* status : {"400", "500", "503"}) {
            EXPECT_TRUE(answers.contains(status)) << route.pattern;
        }
        EXPECT_TRUE(answers.contains("200") || answers.contains("202")) << route.pattern;
        EXPECT_TRUE(route.scope == api::Scope::kPublic || answers.contains("401")) << route.pattern;
        const auto braces = std::count(route.pattern.begin(), route.pattern.end(), '{');
        const bj::value* parameters = operation->as_object().if_contains("parameters");
        const bj::array none;
        const bj::array& all = parameters == nullptr ? none : parameters->as_array();
        EXPECT_EQ(std::count_if(all.begin(), all.end(), [](const bj::value& one) { return one.at("in") == "path"; }),
                  braces)
            << route.pattern;
    }
}

TEST_F(OpenApi, EveryRouteIsDescribedAndNothingElse) {
    std::set<std::string> known;
    for (const api::Route& route : router.routes()) {
        const std::string name = std::string(route.method) + ' ' + std::string(route.pattern);
        known.insert(name);
        const bj::value description = bj::parse(route.description);
        const bj::value* about = description.at("operations").as_object().if_contains(name);
        ASSERT_NE(about, nullptr) << name;
        EXPECT_TRUE(about->as_object().contains("response")) << name;
    }
    std::set<std::string> members;
    for (const api::RouteTable& table : tables()) {
        const bj::value description = bj::parse(table.description);
        for (const auto& [name, about] : description.at("operations").as_object()) {
            EXPECT_TRUE(known.contains(std::string(name))) << name;
            for (const auto& [member, value] : about.as_object()) {
                members.emplace(member);
            }
        }
    }
    for (const std::string& member : members) {
        const std::set<std::string> all{"request", "optional", "response", "media", "status",
                                        "stream",  "query",    "path",     "errors"};
        EXPECT_TRUE(all.contains(member)) << member;
    }
}

TEST_F(OpenApi, NamesOnlyWhatItHolds) {
    const bj::value document = get("/openapi.json").json();
    std::set<std::string> all;
    references(document, all);
    EXPECT_GT(all.size(), 10U);
    for (const std::string& reference : all) {
        boost::system::error_code error;
        EXPECT_NE(document.find_pointer(reference.substr(1), error), nullptr) << reference;
    }
}

}  // namespace
}  // namespace gantry::test
