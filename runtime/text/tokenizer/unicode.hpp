#pragma once

/// UTF-8 and the character properties that tokenizers ask for. All functions are pure and safe from any thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gantry::text::tok {

/// U+FFFD in UTF-8.
inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
/// U+2581, the mark that SentencePiece puts for a space.
inline constexpr std::string_view kMetaMark = "\xE2\x96\x81";

/// One step through bytes that may be anything.
struct Utf8Step {
    enum class Kind : uint8_t {
        kCharacter,  ///< `size` bytes form the character `code`
        kInvalid,    ///< `size` bytes are a maximal invalid part (one U+FFFD stands for them)
        kCutOff,     ///< the last `size` bytes begin a character that the input does not finish
    };
    Kind kind;
    uint8_t size;
    char32_t code;
};

/// Looks at s[pos...]; pos < s.size().
Utf8Step step_utf8(std::string_view s, size_t pos);

/// The character at pos of valid UTF-8; sets `size` to its length in bytes.
char32_t decode_utf8(std::string_view valid, size_t pos, size_t& size);
void append_utf8(std::string& out, char32_t code);
/// Length of a character from its first byte (valid UTF-8 only).
size_t utf8_length(char first_byte);

bool is_valid_utf8(std::string_view s);
bool is_ascii(std::string_view s);
/// Appends s with every maximal invalid part as one U+FFFD, as Python's errors="replace" and WHATWG do.
void append_lossy(std::string& out, std::string_view s);
/// How many bytes at the end of s begin a character that s does not finish (0 to 3).
size_t incomplete_suffix(std::string_view s);

bool is_white_space(char32_t c);  ///< property White_Space
bool is_numeric(char32_t c);      ///< Nd, Nl, No
bool is_ascii_punctuation(char32_t c);
bool is_punctuation(char32_t c);        ///< ASCII punctuation or category P
bool is_control_or_format(char32_t c);  ///< Cc, Cf, Co
bool is_nonspacing_mark(char32_t c);    ///< Mn
bool is_mark(char32_t c);               ///< M
bool is_word(char32_t c);               ///< what \w matches
/// Simple lower case, but for U+0130, which gives two characters.
void append_lower(std::string& out, char32_t c);

enum class NormalForm : uint8_t { kNfc, kNfd, kNfkc, kNfkd };
/// `text` is valid UTF-8.
std::string normalize_form(std::string_view text, NormalForm form);

/// Length in bytes of the extended grapheme cluster at pos.
size_t grapheme_length(std::string_view valid, size_t pos);

}  // namespace gantry::text::tok
