/// Filters over texts.

#include <algorithm>
#include <array>

#include "runtime/text/jinja/builtins.hpp"
#include "runtime/text/jinja/text_ops.hpp"
#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

namespace {

using namespace std::string_view_literals;

Value like(Runtime& rt, const Value& original, std::string s) { return rt.text(std::move(s), original.is_markup()); }

/// A text or nothing: what the filter's Python would fail on with an AttributeError.
const std::string& need_text(const Value& v, std::string_view method) {
    if (v.is_undefined()) {
        raise_undefined(v);
    }
    if (!v.is_str()) {
        raise_type("'" + std::string(type_name(v)) + "' object has no attribute '" + std::string(method) + "'");
    }
    return v.str();
}

Value upper(Runtime& rt, const Value& self, Args& args) {
    const Params params("upper", args, {}, 0);
    return like(rt, self, to_upper(to_text(rt, self)));
}

Value lower(Runtime& rt, const Value& self, Args& args) {
    const Params params("lower", args, {}, 0);
    return like(rt, self, to_lower(to_text(rt, self)));
}

Value capitalize(Runtime& rt, const Value& self, Args& args) {
    const Params params("capitalize", args, {}, 0);
    return like(rt, self, to_capital(to_text(rt, self)));
}

/// Unlike str.title, words begin only after blanks, hyphens and opening brackets.
Value title(Runtime& rt, const Value& self, Args& args) {
    const Params params("title", args, {}, 0);
    const std::string s = to_text(rt, self);
    std::string out;
    const auto breaks = [](char32_t c) { return is_space(c) || U"-({[<"sv.find(c) != std::u32string_view::npos; };
    for (size_t pos = 0; pos < s.size();) {
        const size_t begin = pos;
        const bool separator = breaks(utf8_next(s, pos));
        const size_t first = pos;
        for (size_t next = pos; next < s.size(); pos = next) {
            if (breaks(utf8_next(s, next)) != separator) {
                break;
            }
            if (next == s.size()) {
                pos = next;
                break;
            }
        }
        out += to_upper(std::string_view(s).substr(begin, first - begin));
        out += to_lower(std::string_view(s).substr(first, pos - first));
    }
    return like(rt, self, std::move(out));
}

Value trim(Runtime& rt, const Value& self, Args& args) {
    const Params params("trim", args, {"chars"}, 0);
    const Value* chars = params.given(0);
    if (chars != nullptr && !chars->is_str()) {
        raise_type("strip arg must be None or str");
    }
    const std::string s = to_text(rt, self);
    return like(rt, self, std::string(strip(s, chars == nullptr ? nullptr : &chars->str(), true, true)));
}

Value replace_filter(Runtime& rt, const Value& self, Args& args) {
    const Params params("replace", args, {"old", "new", "count"}, 2);
    const Value* count = params.given(2);
    return rt.text(replace(to_text(rt, self), to_text(rt, *params[0]), to_text(rt, *params[1]),
                           count == nullptr ? -1 : to_index(*count)));
}

Value string(Runtime& rt, const Value& self, Args& args) {
    const Params params("string", args, {}, 0);
    return self.is_str() ? self : rt.text(to_text(rt, self));
}

Value center(Runtime& rt, const Value& self, Args& args) {
    const Params params("center", args, {"width"}, 0);
    return like(rt, self, justify(to_text(rt, self), params.index(0, 80), " ", '^'));
}

Value indent(Runtime& rt, const Value& self, Args& args) {
    const Params params("indent", args, {"width", "first", "blank"}, 0);
    std::string margin(4, ' ');
    if (params[0] != nullptr) {
        margin = params[0]->is_str() ? params[0]->str() : justify("", to_index(*params[0]), " ", '<');
    }
    if (self.is_undefined()) {
        raise_undefined(self);
    }
    if (!self.is_str()) {
        raise_type("unsupported operand type(s) for +=: '" + std::string(type_name(self)) + "' and 'str'");
    }
    const std::string s = self.str() + "\n";
    const bool blank = params.flag(2, false);
    TextBuilder out;
    bool begin = true;
    for (const auto line : split_lines(s)) {
        out.add(begin ? "" : "\n");
        if (begin ? params.flag(1, false) : blank || !line.empty()) {
            out.add(margin);
        }
        out.add(line);
        begin = false;
    }
    return like(rt, self, out.take());
}

Value truncate(Runtime& rt, const Value& self, Args& args) {
    const Params params("truncate", args, {"length", "killwords", "end", "leeway"}, 0);
    const int64_t limit = params.index(0, 255);
    const std::string end = params[2] == nullptr ? "..." : to_text(rt, *params[2]);
    const int64_t leeway = params.given(3) == nullptr ? 5 : to_index(*params[3]);
    const auto end_length = static_cast<int64_t>(utf8_length(end));
    if (limit < end_length) {
        raise_value("expected length >= " + std::to_string(end_length) + ", got " + std::to_string(limit));
    }
    if (leeway < 0) {
        raise_value("expected leeway >= 0, got " + std::to_string(leeway));
    }
    const auto length = length_of(self);
    if (!length) {
        raise_type("object of type '" + std::string(type_name(self)) + "' has no len()");
    }
    if (static_cast<Int>(*length) <= static_cast<Int>(limit) + leeway) {
        return self;
    }
    const std::string& s = need_text(self, "rsplit");
    std::string_view head = std::string_view(s).substr(0, utf8_offset(s, static_cast<size_t>(limit - end_length)));
    if (!params.flag(1, false)) {
        head = head.substr(0, head.rfind(' '));
    }
    return like(rt, self, std::string(head) + end);
}

Value wordwrap(Runtime& rt, const Value& self, Args& args) {
    const Params params("wordwrap", args, {"width", "break_long_words", "wrapstring", "break_on_hyphens"}, 0);
    const int64_t width = params.index(0, 79);
    const std::string glue = params.given(2) == nullptr ? "\n" : to_text(rt, *params[2]);
    const std::string& s = need_text(self, "splitlines");
    if (width <= 0 && !s.empty()) {
        raise_value("invalid width " + std::to_string(width) + " (must be > 0)");
    }
    rt.budget().step_text(s.size() * 16);
    TextBuilder out;
    bool first_line = true;
    for (const auto line : split_lines(s)) {
        out.add(first_line ? "" : glue);
        first_line = false;
        bool first = true;
        for (const auto& part :
             wrap_line(line, static_cast<size_t>(width), params.flag(1, true), params.flag(3, true))) {
            out.add(first ? "" : glue);
            first = false;
            out.add(part);
        }
    }
    return rt.text(out.take());
}

Value wordcount(Runtime& rt, const Value& self, Args& args) {
    const Params params("wordcount", args, {}, 0);
    const std::string s = to_text(rt, self);
    int64_t words = 0;
    bool inside = false;
    for (size_t pos = 0; pos < s.size();) {
        const char32_t c = utf8_next(s, pos);
        const bool word = c == '_' || is_alnum(c);
        words += word && !inside ? 1 : 0;
        inside = word;
    }
    return Value::integer(words);
}

Value format(Runtime& rt, const Value& self, Args& args) {
    if (!args.positional.empty() && !args.named.empty()) {
        raise_type("can't handle positional and keyword arguments at the same time");
    }
    const Value pattern = self.is_str() ? self : rt.text(to_text(rt, self));
    if (args.named.empty()) {
        return like(rt, self, percent_format(rt, pattern, rt.tuple(args.positional)));
    }
    Dict named;
    for (const auto& [name, value] : args.named) {
        named.set(name, value);
    }
    return like(rt, self, percent_format(rt, pattern, rt.dict(std::move(named))));
}

Value escape(Runtime& rt, const Value& self, Args& args) {
    const Params params("escape", args, {}, 0);
    return html_escape(rt, self);
}

Value force_escape(Runtime& rt, const Value& self, Args& args) {
    const Params params("forceescape", args, {}, 0);
    return html_escape(rt, rt.text(to_text(rt, self)));
}

Value safe(Runtime& rt, const Value& self, Args& args) {
    const Params params("safe", args, {}, 0);
    return rt.text(to_text(rt, self), true);
}

/// Takes comments and tags out and folds blanks.
Value striptags(Runtime& rt, const Value& self, Args& args) {
    const Params params("striptags", args, {}, 0);
    std::string s = to_text(rt, self);
    const auto cut = [&](std::string_view open, std::string_view close) {
        std::string kept;
        size_t pos = 0;
        for (;;) {
            const size_t begin = s.find(open, pos);
            const size_t end =
                begin == std::string::npos ? begin : s.find(close, begin + (open.size() > 1 ? open.size() : 0));
            if (end == std::string::npos) {
                break;
            }
            kept.append(s, pos, begin - pos);
            pos = end + close.size();
        }
        s = kept + s.substr(pos);
    };
    cut("<!--", "-->");
    cut("<", ">");
    std::string out;
    for (const auto word : split(s, nullptr, -1, false)) {
        out += out.empty() ? "" : " ";
        out += word;
    }
    constexpr std::pair<std::string_view, std::string_view> kEntities[] = {
        {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#34;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}};
    for (const auto& [entity, meaning] : kEntities) {
        out = replace(out, entity, meaning, -1);
    }
    return rt.text(std::move(out));
}

std::string url_quote(std::string_view s, bool for_query) {
    std::string out;
    for (const char c : s) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           std::string_view("_.-~").find(c) != std::string_view::npos || (c == '/' && !for_query);
        if (plain) {
            out += c;
        } else if (c == ' ' && for_query) {
            out += '+';
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out += '%';
            out += "0123456789ABCDEF"[byte >> 4];
            out += "0123456789ABCDEF"[byte & 0xF];
        }
    }
    return out;
}

Value urlencode(Runtime& rt, const Value& self, Args& args) {
    const Params params("urlencode", args, {}, 0);
    const bool pairs = self.is_sequence() || self.is(Type::kDict) || self.is(Type::kView) ||
                       self.is(Type::kGenerator) || self.is(Type::kRange) || self.is_undefined();
    if (!pairs) {
        return rt.text(url_quote(to_text(rt, self), false));
    }
    const Value source =
        self.is(Type::kDict) ? rt.adopt(Type::kView, new ViewObject(ViewObject::Kind::kItems, self)) : self;
    TextBuilder out;
    const auto it = iterate(rt, source);
    Value item;
    while (it->next(rt, item)) {
        const auto pair = unpack(rt, item, 2);
        out.add(out.size() == 0 ? "" : "&");
        out.add(url_quote(to_text(rt, pair[0]), true) + "=" + url_quote(to_text(rt, pair[1]), true));
    }
    return rt.text(out.take());
}

Value xmlattr(Runtime& rt, const Value& self, Args& args) {
    const Params params("xmlattr", args, {"autospace"}, 0);
    if (!self.is(Type::kDict)) {
        if (self.is_undefined()) {
            raise_undefined(self);
        }
        raise_type(words({"'", type_name(self), "' object has no attribute 'items'"}));
    }
    TextBuilder out;
    for (const auto& e : self.dict().dict.entries()) {
        if (e.value.is_none() || e.value.is_undefined()) {
            continue;
        }
        if (!e.key.is_str()) {
            raise_type("expected string or bytes-like object, got '" + std::string(type_name(e.key)) + "'");
        }
        if (e.key.str().find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
            raise_value("Invalid character in attribute name: '" + e.key.str() + "'");
        }
        out.add(out.size() == 0 && !params.flag(0, true) ? "" : " ");
        out.add(html_escape(rt, e.key).str() + "=\"" + html_escape(rt, e.value).str() + "\"");
    }
    return rt.text(out.take());
}

constexpr auto kFilters = std::to_array<BuiltinEntry>({
    {"upper", upper},
    {"lower", lower},
    {"capitalize", capitalize},
    {"title", title},
    {"trim", trim},
    {"replace", replace_filter},
    {"string", string},
    {"center", center},
    {"indent", indent},
    {"truncate", truncate},
    {"wordwrap", wordwrap},
    {"wordcount", wordcount},
    {"format", format},
    {"escape", escape},
    {"e", escape},
    {"forceescape", force_escape},
    {"safe", safe},
    {"striptags", striptags},
    {"urlencode", urlencode},
    {"xmlattr", xmlattr},
});

}  // namespace

std::span<const BuiltinEntry> text_filters() { return kFilters; }

}  // namespace gantry::text::jinja
