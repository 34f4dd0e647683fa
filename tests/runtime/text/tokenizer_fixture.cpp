#include "tests/runtime/text/tokenizer_fixture.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

namespace gantry::text::test {
namespace {

std::ifstream open_data(const std::string& name) {
    std::ifstream in(std::string(GANTRY_SOURCE_DIR) + "/tests/runtime/text/data/" + name, std::ios::binary);
    if (!in) throw std::runtime_error("cannot open fixture " + name);
    return in;
}

std::string unescape(const std::string& line) {
    std::string out;
    for (size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\\' && i + 3 < line.size() && line[i + 1] == 'x') {
            out.push_back(static_cast<char>(std::stoi(line.substr(i + 2, 2), nullptr, 16)));
            i += 3;
        } else {
            out.push_back(line[i]);
        }
    }
    return out;
}

std::vector<int32_t> unpack(const std::string& text) {
    static const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::vector<int32_t> ids;
    for (size_t i = 0; i + 1 < text.size(); i += 2) {
        ids.push_back(static_cast<int32_t>(digits.find(text[i]) * 64 + digits.find(text[i + 1])));
    }
    return ids;
}

uint32_t hex(const std::string& text) { return static_cast<uint32_t>(std::stoul(text, nullptr, 16)); }

std::string text_of(const boost::json::value& v) { return boost::json::value_to<std::string>(v); }

/// Replaces "##x" by "x" and "x" by U+2581 "x", as converters do for BERT.
std::string phantom(const std::string& token) {
    return token.starts_with("##") ? token.substr(2) : "\xE2\x96\x81" + token;
}

}  // namespace

std::vector<std::string> read_strings() {
    std::ifstream in = open_data("strings.txt");
    std::vector<std::string> strings;
    for (std::string line; std::getline(in, line);) strings.push_back(unescape(line));
    return strings;
}

Fixture read_fixture(const std::string& kind) {
    Fixture fixture;
    std::ostringstream json;
    json << open_data(kind + ".json").rdbuf();
    fixture.json = json.str();
    std::ifstream in = open_data(kind + ".expected");
    bool decoding = false;
    for (std::string line; std::getline(in, line);) {
        if (line == "decode") {
            decoding = true;
            continue;
        }
        std::istringstream words(line);
        std::string ids, a, b, c;
        words >> ids >> a >> b >> c;
        if (decoding) {
            fixture.decodings.push_back({unpack(ids), hex(a), hex(b)});
        } else {
            fixture.encodings.push_back({unpack(ids), hex(a), hex(b), hex(c)});
        }
    }
    return fixture;
}

std::shared_ptr<const Tokenizer> load_json(const std::string& json, const std::string& config) {
    return Tokenizer::create(registry::TokenizerJson{json, config}).value();
}

registry::TokenizerGguf to_gguf(const std::string& json, const std::string& model, const std::string& pre) {
    const boost::json::value document = boost::json::parse(json);
    const auto& model_json = document.at("model").as_object();
    registry::TokenizerGguf gguf;
    gguf.model = model;
    gguf.pre = pre;
    std::map<int32_t, std::pair<std::string, float>> tokens;
    if (const auto* list = model_json.at("vocab").if_array()) {
        for (const auto& item : *list) {
            const auto score = static_cast<float>(item.at(1).to_number<double>());
            tokens[static_cast<int32_t>(tokens.size())] = {text_of(item.at(0)), score};
        }
    } else {
        for (const auto& member : model_json.at("vocab").as_object()) {
            const auto id = static_cast<int32_t>(member.value().as_int64());
            tokens[id] = {std::string(member.key()), -static_cast<float>(id)};
        }
    }
    std::map<int32_t, int32_t> types;
    for (const auto& added : document.at("added_tokens").as_array()) {
        const auto id = static_cast<int32_t>(added.at("id").as_int64());
        tokens[id].first = text_of(added.at("content"));
        types[id] = added.at("special").as_bool() ? 3 : 4;
    }
    for (const auto& [id, token] : tokens) {
        const bool byte = token.first.size() == 6 && token.first.starts_with("<0x");
        const int32_t type = types.contains(id) ? types[id] : byte ? 6 : 1;
        gguf.tokens.push_back(model == "bert" && type == 1 ? phantom(token.first) : token.first);
        gguf.types.push_back(type);
        if (model == "llama" || model == "t5") gguf.scores.push_back(token.second);
    }
    if (model == "gpt2") {
        for (const auto& merge : model_json.at("merges").as_array()) {
            gguf.merges.push_back(text_of(merge.at(0)) + " " + text_of(merge.at(1)));
        }
    }
    const auto id_of = [&gguf](const std::string& token) -> std::optional<int32_t> {
        const auto it = std::ranges::find(gguf.tokens, token);
        return it == gguf.tokens.end() ? std::nullopt : std::optional(static_cast<int32_t>(it - gguf.tokens.begin()));
    };
    for (const char* bos : {"<s>", "<|begin_of_text|>", "<｜begin▁of▁sentence｜>", "[CLS]"}) {
        if (!gguf.bos) gguf.bos = id_of(bos);
    }
    for (const char* eos : {"</s>", "<|end_of_text|>", "[SEP]"}) {
        if (!gguf.eos) gguf.eos = id_of(eos);
    }
    for (const char* unknown : {"<unk>", "[UNK]"}) {
        if (!gguf.unk) gguf.unk = id_of(unknown);
    }
    return gguf;
}

uint32_t crc32(std::string_view bytes) {
    uint32_t crc = 0xFFFFFFFFu;
    for (const char c : bytes) {
        crc ^= static_cast<uint8_t>(c);
        for (int k = 0; k < 8; ++k) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

uint32_t crc32(std::span<const int32_t> ids) {
    std::string bytes;
    for (const int32_t id : ids) {
        for (int shift = 0; shift < 32; shift += 8) {
            bytes.push_back(static_cast<char>(static_cast<uint8_t>(static_cast<uint32_t>(id) >> shift)));
        }
    }
    return crc32(std::string_view(bytes));
}

std::string escaped(std::string_view bytes) {
    std::ostringstream out;
    for (const char c : bytes) {
        if (c >= ' ' && c <= '~') {
            out << c;
        } else {
            constexpr std::string_view kDigits = "0123456789abcdef";
            out << "\\x" << kDigits[static_cast<uint8_t>(c) >> 4] << kDigits[static_cast<uint8_t>(c) & 15];
        }
    }
    return out.str();
}

}  // namespace gantry::text::test
