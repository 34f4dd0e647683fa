#include "runtime/text/tokenizer/pre_names.hpp"

#include <array>
#include <utility>
#include <vector>

namespace gantry::text::tok {
namespace {

// Steps that are no regular expression.
constexpr std::string_view kBytes = "@bytes";    // bytes to characters; last where a list does not name it
constexpr std::string_view kDigits = "@digits";  // every digit alone
constexpr std::string_view kDigitRuns = "@digit-runs";
constexpr std::string_view kPunctuationRuns = "@punctuation-runs";

#define GANTRY_CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define GANTRY_SPACES R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define GANTRY_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define GANTRY_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define GANTRY_UPPER_NOT_HAN R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]])"
#define GANTRY_LOWER_NOT_HAN R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]])"
#define GANTRY_LEAD R"([^\r\n\p{L}\p{N}]?)"

constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    GANTRY_CONTRACTIONS "|" GANTRY_LEAD R"(\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)" GANTRY_SPACES;
constexpr std::string_view kJais2 = GANTRY_CONTRACTIONS
    "|" GANTRY_LEAD
    R"(\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S))"
    R"(|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})";
constexpr std::string_view kQwen2 =
    GANTRY_CONTRACTIONS "|" GANTRY_LEAD R"(\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)" GANTRY_SPACES;
constexpr std::string_view kQwen35 =
    GANTRY_CONTRACTIONS "|" GANTRY_LEAD R"([\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" GANTRY_SPACES;
constexpr std::string_view kMiniCpm5 =
    GANTRY_CONTRACTIONS "|" GANTRY_LEAD R"(\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*)" GANTRY_SPACES;
constexpr std::string_view kSeedCoder =
    GANTRY_CONTRACTIONS "|" GANTRY_LEAD R"(\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+)" GANTRY_SPACES;
constexpr std::string_view kUfakzeka = GANTRY_LEAD R"(\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)" GANTRY_SPACES;
constexpr std::string_view kExaoneMoe = GANTRY_CONTRACTIONS
    "|" GANTRY_LEAD R"((?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kBailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kO200k =
    GANTRY_LEAD GANTRY_UPPER "*" GANTRY_LOWER "+" GANTRY_CONTRACTIONS "?|" GANTRY_LEAD GANTRY_UPPER "+" GANTRY_LOWER
                             "*" GANTRY_CONTRACTIONS R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" GANTRY_SPACES;
constexpr std::string_view kTekken =
    GANTRY_LEAD GANTRY_UPPER "*" GANTRY_LOWER "+|" GANTRY_LEAD GANTRY_UPPER "+" GANTRY_LOWER
                             R"(*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" GANTRY_SPACES;
constexpr std::string_view kKimi =
    R"([\p{Han}]+|)" GANTRY_LEAD GANTRY_UPPER_NOT_HAN "*" GANTRY_LOWER_NOT_HAN "+" GANTRY_CONTRACTIONS
    "?|" GANTRY_LEAD GANTRY_UPPER_NOT_HAN "+" GANTRY_LOWER_NOT_HAN "*" GANTRY_CONTRACTIONS
    R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)" GANTRY_SPACES;
constexpr std::string_view kYoutu =
    GANTRY_LEAD GANTRY_UPPER "*" GANTRY_LOWER "+" GANTRY_CONTRACTIONS "?|" GANTRY_LEAD GANTRY_UPPER "+" GANTRY_LOWER
                             "*" GANTRY_CONTRACTIONS R"(?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" GANTRY_SPACES;
constexpr std::string_view kDeepSeekMain =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)" GANTRY_SPACES;
constexpr std::string_view kSparkMain =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n])"
    R"(|\s+(?!\S)|\s+)";
constexpr std::string_view kThreeDigits = R"(\p{N}{1,3})";
constexpr std::string_view kCjk = "[一-龥぀-ゟ゠-ヿ]+";
constexpr std::string_view kEastAsian = "[一-龥ࠀ-一가-퟿]+";
constexpr std::string_view kBloom = R"( ?[^(\s|.,!?…。，、।۔،)]+)";
/// Cased letters, as DeepSeek LLM's file lists them.
constexpr std::string_view kDeepSeekLetters =
    R"(\s?[A-Za-z)"
    R"(\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF})"
    R"(\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1})"
    R"(\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5})"
    R"(\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77})"
    R"(\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D})"
    R"(\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE})"
    R"(\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC})"
    R"(\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124})"
    R"(\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E})"
    R"(\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D})"
    R"(\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF})"
    R"(\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F})"
    R"(\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF})"
    R"(\x{1E900}-\x{1E943})"
    "]+";

struct Family {
    std::string_view names;  ///< separated by spaces
    std::vector<std::string_view> steps;
    bool nfc = false, ignore_merges = false, add_bos = false, add_sep = false;
};

std::vector<Family> families() {
    return {
        {"default", {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
        {"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum exaone4 jais trillion "
         "granite-docling",
         {kGpt2}},
        {"mpt olmo modern-bert", {kGpt2}, true},
        {"jina-v1-en jina-v2-code roberta-bpe", {kGpt2}, false, false, true, true},
        {"llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
         {kLlama3},
         false,
         true,
         true},
        {"dbrx smaug-bpe glm4 chatglm-bpe", {kLlama3}},
        {"jais-2", {kJais2}},
        {"qwen2 deepseek-r1-qwen kormo f2llmv2 megrez", {kQwen2}, true},
        {"stablelm2 hunyuan solar-open grok-2", {kQwen2}},
        {"qwen35", {kQwen35}, true},
        {"minicpm5", {kThreeDigits, kMiniCpm5}, false, true},
        {"seed-coder", {kSeedCoder}},
        {"ufakzeka", {kUfakzeka}},
        {"exaone-moe", {kExaoneMoe}},
        {"bailingmoe bailingmoe2 llada-moe", {kBailing}},
        {"laguna", {R"([^\n]+|[\n]+)", kQwen2}},
        {"gpt-4o llama4 kanana2 talkie minimax-m2", {kO200k}},
        {"granite-embed-multi-97m", {kO200k}, false, true},
        {"tiny_aya cohere2moe", {R"(\d{1,3}(?=(?:\d{3})*\b))", kO200k}},
        {"tekken", {kTekken}, false, true, true},
        {"kimi-k2", {kKimi}},
        {"youtu",
         {"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
          kYoutu},
         false,
         true},
        {"deepseek-v3 hunyuan-dense joyai-llm hy_v4", {kThreeDigits, kCjk, kDeepSeekMain}},
        {"spark2_5", {kThreeDigits, kCjk, kSparkMain, R"(\p{N})"}},
        {"deepseek-llm",
         {R"([\r\n])", kDeepSeekLetters, R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)", R"(\s+$)", kEastAsian, kDigits}},
        {"deepseek-coder", {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kEastAsian, kDigits}},
        {"falcon", {kPunctuationRuns, kGpt2, kBytes, kDigitRuns, "[0-9][0-9][0-9]"}},
        {"command-r", {kDigits, kGpt2}, true},
        {"starcoder refact smollm codeshell exaone minerva-7b mellum2", {kDigits, kGpt2}},
        {"poro-chat bloom gpt3-finnish", {kBloom}},
        {"viking", {kBloom, R"(\p{N})"}},
        {"chameleon",
         {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", R"(([\t\n]|    |  ))", kDigits,
          R"([\p{P}!-/:-@\[-`{-~])", kGpt2},
         false,
         false,
         true},
        {"superbpe", {R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"}},
    };
}

#undef GANTRY_CONTRACTIONS
#undef GANTRY_SPACES
#undef GANTRY_UPPER
#undef GANTRY_LOWER
#undef GANTRY_UPPER_NOT_HAN
#undef GANTRY_LOWER_NOT_HAN
#undef GANTRY_LEAD

bool lists(std::string_view names, std::string_view name) {
    for (size_t begin = 0; begin <= names.size();) {
        const size_t end = std::min(names.find(' ', begin), names.size());
        if (names.substr(begin, end - begin) == name) return true;
        begin = end + 1;
    }
    return false;
}

Result<PreTokenizerPtr> make_step(std::string_view step) {
    if (step == kBytes) return make_byte_level(false, false);
    if (step == kDigits) return make_digits(true);
    if (step == kDigitRuns) return make_digits(false);
    if (step == kPunctuationRuns) return make_punctuation(SplitBehavior::kContiguous);
    GANTRY_TRY(Regex pattern, Regex::compile(step));
    return make_split(std::move(pattern), SplitBehavior::kIsolated, false);
}

}  // namespace

Result<PreSettings> pre_settings(std::string_view name) {
    const std::string_view wanted = name.empty() ? "default" : name;
    for (const Family& family : families()) {
        if (!lists(family.names, wanted)) continue;
        std::vector<PreTokenizerPtr> parts;
        bool bytes = false;
        for (const std::string_view step : family.steps) {
            GANTRY_TRY(PreTokenizerPtr part, make_step(step));
            parts.push_back(std::move(part));
            bytes = bytes || step == kBytes;
        }
        if (!bytes) parts.push_back(make_byte_level(false, false));
        return PreSettings{make_pre_tokenizer_sequence(std::move(parts)), family.nfc, family.ignore_merges,
                           family.add_bos, family.add_sep};
    }
    return Error{Code::kUnimplemented, "tokenizer.ggml.pre: pre-tokenizer \"" + std::string(name) + "\" is not known",
                 "use the model in safetensors form, whose tokenizer.json says all"};
}

}  // namespace gantry::text::tok
