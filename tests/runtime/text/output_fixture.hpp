#pragma once

/// What the tests of output parsing share: a request's tools, and pieces brought into a form to compare.

#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "runtime/text/output/literal.hpp"
#include "runtime/text/output/parser.hpp"

namespace gantry::text {

/// An answer as a client that does not stream gets it.
struct Parsed {
    std::string content, reasoning;
    std::vector<std::pair<std::string, std::string>> calls;  ///< name, arguments
    bool fault = false;
    friend bool operator==(const Parsed&, const Parsed&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Parsed& p) {
        out << "content '" << p.content << "' reasoning '" << p.reasoning << "' fault " << p.fault;
        for (const auto& [name, arguments] : p.calls) {
            out << " call " << name << " " << arguments;
        }
        return out;
    }
};

inline std::shared_ptr<const OutputPlan> plan_for(std::string_view format, bool thinks = false) {
    auto plan = std::make_shared<OutputPlan>();
    plan->format = find_output_format(format);
    plan->tools = {{"get_weather", {{"city", kStringType}, {"unit", kStringType}, {"days", kNumberType}}},
                   {"add", {{"a", kNumberType}, {"b", kNumberType}}},
                   {"note",
                    {{"text", kStringType},
                     {"tags", kArrayType},
                     {"meta", kObjectType},
                     {"maybe", static_cast<uint8_t>(kStringType | kNullType)}}}};
    plan->reasoning = find_reasoning_tags(format);
    if (!plan->reasoning && format != "harmony") {
        plan->reasoning = find_reasoning_tags("think");
    }
    plan->starts_in_reasoning = thinks;
    return plan;
}

/// All pieces of a text that comes in these parts; a fault is told by a last piece of kind kToolEnd for call 99.
inline std::vector<OutputPiece> parse(std::shared_ptr<const OutputPlan> plan, const std::vector<std::string>& parts) {
    OutputParser parser(std::move(plan), "id");
    std::vector<OutputPiece> out;
    for (const std::string& part : parts) {
        parser.push(part, out);
    }
    parser.finish(out);
    if (!parser.fault().empty()) {
        out.push_back({OutputPiece::Kind::kToolEnd, 99, parser.fault(), {}, {}});
    }
    return out;
}

inline Parsed summary(const std::vector<OutputPiece>& pieces) {
    Parsed out;
    for (const OutputPiece& piece : pieces) {
        switch (piece.kind) {
            case OutputPiece::Kind::kContent:
                out.content += piece.text;
                break;
            case OutputPiece::Kind::kReasoning:
                out.reasoning += piece.text;
                break;
            case OutputPiece::Kind::kToolBegin:
                out.calls.emplace_back(piece.name, "");
                break;
            case OutputPiece::Kind::kToolArguments:
                out.calls.at(piece.call).second += piece.text;
                break;
            case OutputPiece::Kind::kToolEnd:
                out.fault = out.fault || piece.call == 99;
                break;
        }
    }
    return out;
}

}  // namespace gantry::text
