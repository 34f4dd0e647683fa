#include "api/http/infill.hpp"

#include <array>
#include <utility>

namespace gantry::api {

namespace asio = boost::asio;
namespace bj = boost::json;

namespace {

/// What a family of models was trained with. The suffix comes behind the prefix unless `suffix_first`.
struct Markers {
    std::string_view prefix, suffix, middle;
    bool suffix_first = false;
};

constexpr std::array<Markers, 6> kFamilies{{
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},  // Qwen Coder, CodeGemma
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},        // StarCoder, Granite
    {"<\uff5cfim\u2581begin\uff5c>", "<\uff5cfim\u2581hole\uff5c>", "<\uff5cfim\u2581end\uff5c>"},  // DeepSeek Coder
    {"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"},                                      // GLM
    {"\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>"},                                                  // Code Llama
    {"[PREFIX]", "[SUFFIX]", "", true},                                                             // Codestral
}};

/// Whether a text is one token of the model's.
asio::awaitable<Result<bool>> is_token(fleet::Fleet& fleet, std::string uid, std::string_view text) {
    bj::value body = bj::object{{"text", text}, {"add_special", false}, {"parse_special", true}};
    std::string path = "/tokenize";
    const auto answer = co_await fleet.call(std::move(uid), std::move(path), std::move(body));
    if (!answer) {
        co_return answer.error();
    }
    const bj::value* ids = answer->is_object() ? answer->get_object().if_contains("ids") : nullptr;
    co_return ids != nullptr && ids->is_array() && ids->get_array().size() == 1;
}

std::string joined(const Markers& markers, const std::string& prefix, const std::string& suffix) {
    const auto part = [](std::string_view marker, const std::string& text) { return std::string(marker) + text; };
    if (markers.suffix_first) {
        return part(markers.suffix, suffix) + part(markers.prefix, prefix);
    }
    return part(markers.prefix, prefix) + part(markers.suffix, suffix) + std::string(markers.middle);
}

}  // namespace

asio::awaitable<Result<std::string>> infill_prompt(fleet::Fleet& fleet, std::string uid, std::string prefix,
                                                   std::string suffix) {
    const auto route = fleet.route(uid);
    if (!route) {
        co_return route.error();
    }
    for (const Markers& markers : kFamilies) {
        bool all = true;
        const std::array<std::string_view, 3> parts{markers.prefix, markers.suffix, markers.middle};
        for (const std::string_view marker : parts) {
            if (!all || marker.empty()) {
                continue;
            }
            const auto found = co_await is_token(fleet, route->first, marker);
            if (!found) {
                co_return found.error();
            }
            all = *found;
        }
        if (all) {
            co_return joined(markers, prefix, suffix);
        }
    }
    co_return Error(Code::kInvalidArgument,
                    "model '" + uid + "' cannot fill in between two texts: it has no tokens for that",
                    "use a model for code, or leave the suffix out");
}

}  // namespace gantry::api
