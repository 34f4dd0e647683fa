#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/grammar/schema/languages.hpp"

namespace gantry::grammar {

namespace {

constexpr uint32_t kLastCharacter = 0x10FFFF;

constexpr std::array<std::pair<std::string_view, std::string_view>, 37> kCategories{{
    {"Letter", "L"},
    {"Cased_Letter", "LC"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"},
    {"Close_Punctuation", "Pe"},
    {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"},
    {"Other_Punctuation", "Po"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Other", "C"},
    {"Control", "Cc"},
    {"Format", "Cf"},
}};

}  // namespace

std::optional<std::vector<CharRange>> category_ranges(std::string_view name) {
    for (const std::string_view prefix : {"General_Category=", "gc="}) {
        if (name.starts_with(prefix)) {
            name.remove_prefix(prefix.size());
        }
    }
    std::string_view wanted = name;
    for (const auto& [words, letters] : kCategories) {
        wanted = words == name ? letters : wanted;
    }
    if (name == "ASCII" || name == "Any") {
        return std::vector<CharRange>{{0, name == "Any" ? kLastCharacter : 127}};
    }
    if (std::none_of(kCategories.begin(), kCategories.end(), [&](const auto& c) { return c.second == wanted; })) {
        return std::nullopt;
    }
    std::vector<CharRange> out;
    for (uint32_t c = 0; c <= kLastCharacter; ++c) {
        const std::string_view category = utf8proc_category_string(static_cast<utf8proc_int32_t>(c));
        const bool cased = category == "Lu" || category == "Ll" || category == "Lt";
        if (wanted == "LC" ? cased : category.starts_with(wanted)) {
            if (!out.empty() && out.back().high + 1 == c) {
                out.back().high = c;
            } else {
                out.push_back({c, c});
            }
        }
    }
    return out;
}

std::u32string to_characters(std::string_view utf8) {
    std::u32string out;
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(utf8.data());
    for (size_t i = 0; i < utf8.size();) {
        utf8proc_int32_t c = 0;
        const auto used = utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(utf8.size() - i), &c);
        out.push_back(used > 0 ? static_cast<char32_t>(c) : U'\uFFFD');
        i += used > 0 ? static_cast<size_t>(used) : 1;
    }
    return out;
}

void append_utf8(std::string& out, uint32_t character) {
    std::array<utf8proc_uint8_t, 4> bytes{};
    const auto n = utf8proc_encode_char(static_cast<utf8proc_int32_t>(character), bytes.data());
    out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(n));
}

}  // namespace gantry::grammar
