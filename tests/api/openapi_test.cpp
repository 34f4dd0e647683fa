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
        for (const char* status : {"2XX", "4XX", "5XX"}) {
            EXPECT_TRUE(answers.contains(status)) << route.pattern;
        }
        EXPECT_EQ(answers.contains("401"), route.scope != api::Scope::kPublic) << route.pattern;
        const auto braces = std::count(route.pattern.begin(), route.pattern.end(), '{');
        const bj::value* parameters = operation->as_object().if_contains("parameters");
        EXPECT_EQ(parameters == nullptr ? 0U : parameters->as_array().size(), static_cast<size_t>(braces))
            << route.pattern;
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
