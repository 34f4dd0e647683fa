#include "runtime/grammar/schema/formats.hpp"

#include <fmt/core.h>

#include <array>
#include <string>

#include "runtime/grammar/schema/pattern.hpp"
#include "runtime/grammar/schema/schema_error.hpp"

namespace gantry::grammar {

namespace {

// RFC 3339 with the length of each month; 29 February in the years that have one.
constexpr std::string_view kDate =
    "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|"
    "02-(?:0[1-9]|1[0-9]|2[0-8]))|"
    "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";
// A leap second is one only at 23:59:60 UTC: other offsets are not offered.
constexpr std::string_view kTime =
    "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])|"
    "23:59:60(?:\\.[0-9]+)?(?:[Zz]|[+-]00:00))";
constexpr std::string_view kDuration =
    "P(?:[0-9]+W|(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)"
    "(?:T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S))?|"
    "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S))";
// RFC 1123 labels; a label with hyphens in its third and fourth place would be an internationalised one.
constexpr std::string_view kLabel =
    "(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-][A-Za-z0-9]|"
    "[A-Za-z0-9](?:[A-Za-z0-9-][A-Za-z0-9][A-Za-z0-9-]|[A-Za-z0-9]-[A-Za-z0-9])[A-Za-z0-9-]{0,58}[A-Za-z0-9]|"
    "[A-Za-z0-9][A-Za-z0-9-][A-Za-z0-9][A-Za-z0-9])";
constexpr std::string_view kByte = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
constexpr std::string_view kAtomText = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
constexpr std::string_view kPctOrUnreserved = "[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2}";
constexpr std::string_view kSubDelims = "[!$&'()*+,;=]";

std::string ipv4() { return fmt::format("{0}\\.{0}\\.{0}\\.{0}", kByte); }

/// RFC 4291, with "::" in every place and a dotted end.
std::string ipv6() {
    const std::string group = "[0-9A-Fa-f]{1,4}";
    const std::string last = fmt::format("(?:{0}:{0}|{1})", group, ipv4());
    std::string out = fmt::format("(?:(?:{0}:){{6}}{1}", group, last);
    for (int before = 0; before <= 7; ++before) {
        // `before` groups, "::", and at most so many that "::" still stands for one.
        const std::string head = before == 0 ? std::string() : fmt::format("{0}(?::{0}){{{1}}}", group, before - 1);
        const int behind = 7 - before;
        out += fmt::format("|{}::", head);
        if (behind >= 1) {
            out += fmt::format("(?:{0}(?::{0}){{0,{1}}})?", group, behind - 1);
        }
        if (behind >= 2) {
            out += fmt::format("|{0}::(?:{1}:){{0,{2}}}{3}", head, group, behind - 2, ipv4());
        }
    }
    return out + ")";
}

std::string uri(bool reference) {
    const std::string pchar = fmt::format("(?:{}|{}|[:@])", kPctOrUnreserved, kSubDelims);
    const std::string host = fmt::format("(?:\\[(?:{}|v[0-9A-Fa-f]+\\.(?:[A-Za-z0-9._~:-]|{})+)\\]|(?:{}|{})*)", ipv6(),
                                         kSubDelims, kPctOrUnreserved, kSubDelims);
    const std::string authority = fmt::format("(?:(?:{}|{}|:)*@)?{}(?::[0-9]*)?", kPctOrUnreserved, kSubDelims, host);
    const std::string rest = fmt::format("(?:\\?(?:{0}|[/?])*)?(?:#(?:{0}|[/?])*)?", pchar);
    const std::string rooted = fmt::format("//{0}(?:/{1}*)*|/(?:{1}+(?:/{1}*)*)?", authority, pchar);
    const std::string absolute = fmt::format("[A-Za-z][A-Za-z0-9+.-]*:(?:{0}|{1}+(?:/{1}*)*)?{2}", rooted, pchar, rest);
    if (!reference) {
        return absolute;
    }
    const std::string first = fmt::format("(?:{}|{}|@)+", kPctOrUnreserved, kSubDelims);
    return fmt::format("(?:{0}|(?:{1}|{2}(?:/{3}*)*)?{4})", absolute, rooted, first, pchar, rest);
}

std::string email() {
    const std::string local = fmt::format("(?:{0}(?:\\.{0})*|\"(?:[ !#-\\[\\]-~]|\\\\[ -~])*\")", kAtomText);
    return fmt::format("{0}@(?:{1}(?:\\.{1})*|\\[(?:{2}|IPv6:{3})\\])", local, kLabel, ipv4(), ipv6());
}

constexpr std::array<std::string_view, 5> kKnownButUnsupported{"idn-email", "idn-hostname", "iri", "iri-reference",
                                                               "uri-template"};

std::string pattern_of(std::string_view name) {
    if (name == "date") {
        return std::string(kDate);
    }
    if (name == "time") {
        return std::string(kTime);
    }
    if (name == "date-time") {
        return fmt::format("{}[Tt]{}", kDate, kTime);
    }
    if (name == "duration") {
        return std::string(kDuration);
    }
    if (name == "email") {
        return email();
    }
    if (name == "hostname") {
        return fmt::format("{0}(?:\\.{0})*", kLabel);
    }
    if (name == "ipv4") {
        return ipv4();
    }
    if (name == "ipv6") {
        return ipv6();
    }
    if (name == "uri" || name == "uri-reference") {
        return uri(name == "uri-reference");
    }
    if (name == "uuid") {
        return "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}";
    }
    if (name == "json-pointer") {
        return "(?:/(?:[^/~]|~[01])*)*";
    }
    if (name == "relative-json-pointer") {
        return "(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^/~]|~[01])*)*)";
    }
    return {};
}

}  // namespace

std::optional<Lang> format_language(Languages& languages, std::string_view name) {
    for (const auto known : kKnownButUnsupported) {
        if (name == known) {
            throw SchemaError(fmt::format("the format \"{}\" is not supported", name));
        }
    }
    if (name == "regex") {
        throw SchemaError("the format \"regex\" is not supported");
    }
    const std::string pattern = pattern_of(name);
    if (pattern.empty()) {
        return std::nullopt;
    }
    Lang lang = pattern_language(languages, fmt::format("^(?:{})$", pattern));
    if (name == "hostname") {
        lang = languages.both({lang, languages.repeat(Languages::kAnyChar, 1, 253)});
    }
    return lang;
}

}  // namespace gantry::grammar
