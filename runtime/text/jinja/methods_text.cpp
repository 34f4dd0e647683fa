/// str's methods.

#include <algorithm>
#include <array>

#include "runtime/text/jinja/builtins.hpp"
#include "runtime/text/jinja/text_ops.hpp"
#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

namespace {

Value like(Runtime& rt, const Value& self, std::string_view s) { return rt.text(std::string(s), self.is_markup()); }

const std::string& need_str(const Value& v) {
    if (!v.is_str()) {
        raise_type("must be str, not " + std::string(type_name(v)));
    }
    return v.str();
}

/// A method without arguments that maps the text.
template <std::string (*kMap)(std::string_view)>
Value mapped(Runtime& rt, const Value& self, Args& args) {
    const Params params("str method", args, {}, 0);
    rt.budget().step_text(self.str().size());
    return like(rt, self, kMap(self.str()));
}

template <bool kLeft, bool kRight>
Value stripped(Runtime& rt, const Value& self, Args& args) {
    const Params params("strip", args, {"chars"}, 0);
    const Value* chars = params.given(0);
    if (chars != nullptr && !chars->is_str()) {
        raise_type("strip arg must be None or str");
    }
    rt.budget().step_text(self.str().size() + (chars == nullptr ? 0 : chars->str().size() * 64));
    return like(rt, self, strip(self.str(), chars == nullptr ? nullptr : &chars->str(), kLeft, kRight));
}

Value to_values(Runtime& rt, const Value& self, const std::vector<std::string_view>& parts) {
    std::vector<Value> out;
    out.reserve(parts.size());
    for (const auto part : parts) {
        out.push_back(like(rt, self, part));
    }
    return rt.list(std::move(out));
}

template <bool kFromRight>
Value split_method(Runtime& rt, const Value& self, Args& args) {
    const Params params("split", args, {"sep", "maxsplit"}, 0);
    const Value* separator = params.given(0);
    if (separator != nullptr && need_str(*separator).empty()) {
        raise_value("empty separator");
    }
    rt.budget().step_text(self.str().size());
    rt.budget().require(self.str().size());
    return to_values(
        rt, self,
        split(self.str(), separator == nullptr ? nullptr : &separator->str(), params.index(1, -1), kFromRight));
}

Value splitlines(Runtime& rt, const Value& self, Args& args) {
    const Params params("splitlines", args, {"keepends"}, 0);
    rt.budget().step_text(self.str().size());
    return to_values(rt, self, split_lines(self.str(), params.flag(0, false)));
}

template <bool kFromRight>
Value partition(Runtime& rt, const Value& self, Args& args) {
    const Params params("partition", args, {"sep"}, 1);
    const std::string& separator = need_str(*params[0]);
    if (separator.empty()) {
        raise_value("empty separator");
    }
    const std::string_view s = self.str();
    rt.budget().step_text(s.size());
    const size_t at = kFromRight ? s.rfind(separator) : s.find(separator);
    if (at == std::string_view::npos) {
        return kFromRight ? rt.tuple({rt.text(""), rt.text(""), self}) : rt.tuple({self, rt.text(""), rt.text("")});
    }
    return rt.tuple({like(rt, self, s.substr(0, at)), *params[0], like(rt, self, s.substr(at + separator.size()))});
}

/// The part of a text that `start` and `end` arguments choose.
struct Window {
    std::string_view text;
    int64_t start;  ///< in code points
    bool inside;    ///< false when start lies beyond the end, where not even "" is found
};

Window window(Runtime& rt, const Value& self, const Value* start, const Value* end) {
    const auto& s = self.get<StrObject>();
    rt.budget().step_text(s.text.size());
    const auto size = static_cast<int64_t>(s.length);
    const auto clip = [&](const Value* v, int64_t absent) {
        int64_t i = v == nullptr || v->is_none() ? absent : to_index(*v);
        i = i < 0 ? std::max<int64_t>(i < -size ? 0 : i + size, 0) : i;
        return i;
    };
    const int64_t from = clip(start, 0);
    const int64_t to = std::min(clip(end, size), size);
    if (from > size || from > to) {
        return {{}, from, false};
    }
    const size_t begin = utf8_offset(s.text, static_cast<size_t>(from));
    const std::string_view rest = std::string_view(s.text).substr(begin);
    return {rest.substr(0, utf8_offset(rest, static_cast<size_t>(to - from))), from, true};
}

template <bool kEnd>
Value affix(Runtime& rt, const Value& self, Args& args) {
    const Params params(kEnd ? "endswith" : "startswith", args, {"prefix", "start", "end"}, 1);
    const Window w = window(rt, self, params[1], params[2]);
    const auto matches = [&](const Value& v) {
        if (!v.is_str()) {
            raise_type(std::string(kEnd ? "endswith" : "startswith") +
                       " first arg must be str or a tuple of str, not " + std::string(type_name(v)));
        }
        return w.inside && (kEnd ? w.text.ends_with(v.str()) : w.text.starts_with(v.str()));
    };
    if (params[0]->is(Type::kTuple)) {
        return Value::boolean(std::ranges::any_of(params[0]->items(), matches));
    }
    return Value::boolean(matches(*params[0]));
}

template <bool kFromRight, bool kMustFind>
Value find(Runtime& rt, const Value& self, Args& args) {
    const Params params("find", args, {"sub", "start", "end"}, 1);
    const std::string& what = need_str(*params[0]);
    const Window w = window(rt, self, params[1], params[2]);
    const size_t at = !w.inside ? std::string_view::npos : kFromRight ? w.text.rfind(what) : w.text.find(what);
    if (at == std::string_view::npos) {
        if (kMustFind) {
            raise_value("substring not found");
        }
        return Value::integer(-1);
    }
    return Value::integer(w.start + static_cast<Int>(utf8_length(w.text.substr(0, at))));
}

Value count(Runtime& rt, const Value& self, Args& args) {
    const Params params("count", args, {"sub", "start", "end"}, 1);
    const std::string& what = need_str(*params[0]);
    const Window w = window(rt, self, params[1], params[2]);
    if (!w.inside) {
        return Value::integer(0);
    }
    if (what.empty()) {
        return Value::integer(static_cast<Int>(utf8_length(w.text)) + 1);
    }
    Int n = 0;
    for (size_t at = w.text.find(what); at != std::string_view::npos; at = w.text.find(what, at + what.size())) {
        ++n;
    }
    return Value::integer(n);
}

Value replace_method(Runtime& rt, const Value& self, Args& args) {
    const Params params("replace", args, {"old", "new", "count"}, 2);
    rt.budget().step_text(self.str().size());
    return like(rt, self, replace(self.str(), need_str(*params[0]), need_str(*params[1]), params.index(2, -1)));
}

Value join(Runtime& rt, const Value& self, Args& args) {
    const Params params("join", args, {"iterable"}, 1);
    TextBuilder out;
    const auto it = iterate(rt, *params[0]);
    Value item;
    for (int64_t i = 0; it->next(rt, item); ++i) {
        if (!item.is_str()) {
            raise_type("sequence item " + std::to_string(i) + ": expected str instance, " +
                       std::string(type_name(item)) + " found");
        }
        out.add(i == 0 ? "" : self.str());
        out.add(item.str());
    }
    return like(rt, self, out.view());
}

template <char kAlign>
Value justified(Runtime& rt, const Value& self, Args& args) {
    const Params params("justify", args, {"width", "fillchar"}, 1);
    const std::string fill = params[1] == nullptr ? " " : need_str(*params[1]);
    if (utf8_length(fill) != 1) {
        raise_type("The fill character must be exactly one character long");
    }
    return like(rt, self, justify(self.str(), to_index(*params[0]), fill, kAlign));
}

Value zfill(Runtime& rt, const Value& self, Args& args) {
    const Params params("zfill", args, {"width"}, 1);
    const std::string_view s = self.str();
    const bool sign = s.starts_with('-') || s.starts_with('+');
    const auto width = to_index(*params[0]) - (sign ? 1 : 0);
    return like(rt, self, std::string(s.substr(0, sign ? 1 : 0)) + justify(s.substr(sign ? 1 : 0), width, "0", '>'));
}

Value expandtabs(Runtime& rt, const Value& self, Args& args) {
    const Params params("expandtabs", args, {"tabsize"}, 0);
    const int64_t size = std::clamp<int64_t>(params.index(0, 8), 0, static_cast<int64_t>(kMaxTextBytes));
    TextBuilder out;
    int64_t column = 0;
    const std::string_view s = self.str();
    for (size_t pos = 0; pos < s.size();) {
        const size_t begin = pos;
        const char32_t c = utf8_next(s, pos);
        if (c == '\t') {
            const int64_t gap = size == 0 ? 0 : size - column % size;
            out.add(static_cast<size_t>(gap), ' ');
            column += gap;
        } else {
            out.add(s.substr(begin, pos - begin));
            column = c == '\n' || c == '\r' ? 0 : column + 1;
        }
    }
    return like(rt, self, out.view());
}

template <bool kSuffix>
Value remove_affix(Runtime& rt, const Value& self, Args& args) {
    const Params params("removeprefix", args, {"affix"}, 1);
    const std::string& what = need_str(*params[0]);
    const std::string_view s = self.str();
    if (!(kSuffix ? s.ends_with(what) : s.starts_with(what))) {
        return self;
    }
    return like(rt, self, kSuffix ? s.substr(0, s.size() - what.size()) : s.substr(what.size()));
}

template <bool (*kHas)(char32_t)>
Value all_characters(Runtime& rt, const Value& self, Args& args) {
    const Params params("str method", args, {}, 0);
    const std::string& s = self.str();
    rt.budget().step_text(s.size());
    for (size_t pos = 0; pos < s.size();) {
        if (!kHas(utf8_next(s, pos))) {
            return Value::boolean(false);
        }
    }
    return Value::boolean(!s.empty());
}

/// isupper, islower: at least one cased character, and none of another case.
template <bool (*kHas)(char32_t)>
Value all_cased(Runtime& rt, const Value& self, Args& args) {
    const Params params("str method", args, {}, 0);
    const std::string& s = self.str();
    rt.budget().step_text(s.size());
    bool any = false;
    for (size_t pos = 0; pos < s.size();) {
        const char32_t c = utf8_next(s, pos);
        if (is_cased(c) && !kHas(c)) {
            return Value::boolean(false);
        }
        any = any || kHas(c);
    }
    return Value::boolean(any);
}

Value istitle(Runtime& rt, const Value& self, Args& args) {
    const Params params("istitle", args, {}, 0);
    const std::string& s = self.str();
    rt.budget().step_text(s.size());
    bool any = false;
    bool inside_word = false;
    for (size_t pos = 0; pos < s.size();) {
        const char32_t c = utf8_next(s, pos);
        if (is_cased(c)) {
            if (inside_word != is_lower(c)) {
                return Value::boolean(false);
            }
            any = true;
        }
        inside_word = is_cased(c);
    }
    return Value::boolean(any);
}

Value isascii(Runtime&, const Value& self, Args&) {
    return Value::boolean(self.str().size() == self.get<StrObject>().length);
}

Value isprintable(Runtime& rt, const Value& self, Args& args) {
    return self.str().empty() ? Value::boolean(true) : all_characters<is_printable>(rt, self, args);
}

Value isidentifier(Runtime&, const Value& self, Args&) {
    const std::string& s = self.str();
    for (size_t pos = 0; pos < s.size();) {
        const size_t begin = pos;
        const char32_t c = utf8_next(s, pos);
        if (c != '_' && !is_alpha(c) && (begin == 0 || !is_decimal(c))) {
            return Value::boolean(false);
        }
    }
    return Value::boolean(!s.empty());
}

Value format(Runtime& rt, const Value& self, Args& args) { return like(rt, self, brace_format(rt, self.str(), args)); }

Value format_map(Runtime& rt, const Value& self, Args& args) {
    const Params params("format_map", args, {"mapping"}, 1);
    if (!params[0]->is(Type::kDict)) {
        raise_type("format_map() wants a mapping");
    }
    Args named;
    for (const auto& e : params[0]->dict().dict.entries()) {
        if (e.key.is_str()) {
            named.named.emplace_back(e.key.str(), e.value);
        }
    }
    return like(rt, self, brace_format(rt, self.str(), named));
}

Value unsupported(Runtime&, const Value&, Args&) {
    raise(ErrorKind::kUnsupported, "this str method is not supported in chat templates");
}

constexpr auto kMethods = std::to_array<BuiltinEntry>({
    {"strip", stripped<true, true>},
    {"lstrip", stripped<true, false>},
    {"rstrip", stripped<false, true>},
    {"split", split_method<false>},
    {"rsplit", split_method<true>},
    {"splitlines", splitlines},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"startswith", affix<false>},
    {"endswith", affix<true>},
    {"find", find<false, false>},
    {"rfind", find<true, false>},
    {"index", find<false, true>},
    {"rindex", find<true, true>},
    {"count", count},
    {"replace", replace_method},
    {"join", join},
    {"upper", mapped<to_upper>},
    {"lower", mapped<to_lower>},
    {"title", mapped<to_title>},
    {"capitalize", mapped<to_capital>},
    {"swapcase", mapped<swap_case>},
    {"casefold", mapped<case_fold>},
    {"center", justified<'^'>},
    {"ljust", justified<'<'>},
    {"rjust", justified<'>'>},
    {"zfill", zfill},
    {"expandtabs", expandtabs},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"isalpha", all_characters<is_alpha>},
    {"isalnum", all_characters<is_alnum>},
    {"isdigit", all_characters<is_digit>},
    {"isdecimal", all_characters<is_decimal>},
    {"isnumeric", all_characters<is_numeric>},
    {"isspace", all_characters<is_space>},
    {"isupper", all_cased<is_upper>},
    {"islower", all_cased<is_lower>},
    {"istitle", istitle},
    {"isascii", isascii},
    {"isprintable", isprintable},
    {"isidentifier", isidentifier},
    {"format", format},
    {"format_map", format_map},
    {"encode", unsupported},
    {"translate", unsupported},
    {"maketrans", unsupported},
});

}  // namespace

std::span<const BuiltinEntry> text_methods() { return kMethods; }

}  // namespace gantry::text::jinja
