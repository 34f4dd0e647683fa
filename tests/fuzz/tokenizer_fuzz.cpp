// A tokenizer.json, a zero byte, a text: whatever they are, loading gives a tokenizer or an error, and a tokenizer
// encodes, decodes and streams without harm. Start from tests/runtime/text/data (the small kinds).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/text/tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const size_t cut = std::min(input.find('\0'), input.size());
    const gantry::registry::TokenizerJson source{std::string(input.substr(0, cut)), ""};
    const auto tokenizer = gantry::text::Tokenizer::create(source);
    if (!tokenizer) return 0;
    const std::string_view text = input.substr(std::min(cut + 1, size));
    auto ids = (*tokenizer)->encode(text);
    ids.insert(ids.end(), {-1, 0, 1, 1 << 30});
    (*tokenizer)->decode(ids, false);
    gantry::text::StreamDecoder stream(*tokenizer, false);
    for (const int32_t id : ids) {
        (*tokenizer)->token_bytes(id);
        stream.push(id);
    }
    stream.flush();
    return 0;
}
