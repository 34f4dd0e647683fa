/// The input's first byte chooses a format, the second the size of the cuts; the rest is an answer. Cutting it may not
/// change the pieces, and hostile text may not crash the parser.

#include <cstdlib>

#include "runtime/text/output/literal.hpp"
#include "runtime/text/output/parser.hpp"

namespace {

using namespace gantry::text;

std::vector<OutputPiece> parse(const std::shared_ptr<const OutputPlan>& plan, std::string_view text, size_t step) {
    OutputParser parser(plan, "id");
    std::vector<OutputPiece> out;
    for (size_t at = 0; at < text.size(); at += step) {
        parser.push(text.substr(at, step), out);
    }
    parser.finish(out);
    out.push_back({OutputPiece::Kind::kToolEnd, 99, parser.fault(), {}, {}});
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) {
        return 0;
    }
    const auto formats = output_formats();
    auto plan = std::make_shared<OutputPlan>();
    plan->format = &formats[data[0] % formats.size()];
    plan->tools = {{"f", {{"s", kStringType}, {"n", kNumberType}}}, {"get_weather", {{"city", kStringType}}}};
    plan->reasoning = find_reasoning_tags("think");
    plan->starts_in_reasoning = (data[0] & 0x80) != 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
    if (parse(plan, text, size) != parse(plan, text, 1 + data[1] % 16)) {
        std::abort();
    }
    return 0;
}
