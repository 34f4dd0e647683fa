/// str(), repr() and json.dumps().

#include <algorithm>
#include <cmath>

#include "runtime/text/jinja/objects.hpp"
#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

namespace {

void append_hex(std::string& out, char32_t c, int digits) {
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
        out += "0123456789abcdef"[(c >> shift) & 0xF];
    }
}

std::string quoted(std::string_view s) {
    const bool double_quotes = s.find('\'') != std::string_view::npos && s.find('"') == std::string_view::npos;
    const char quote = double_quotes ? '"' : '\'';
    std::string out(1, quote);
    for (size_t pos = 0; pos < s.size();) {
        const size_t begin = pos;
        const char32_t c = utf8_next(s, pos);
        if (c == static_cast<char32_t>(quote) || c == '\\') {
            out += '\\';
            out += static_cast<char>(c);
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c == '\r') {
            out += "\\r";
        } else if (is_printable(c)) {
            out += s.substr(begin, pos - begin);
        } else {
            const int digits = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
            out += digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U";
            append_hex(out, c, digits);
        }
    }
    return out + quote;
}

void append_items(Runtime& rt, TextBuilder& out, const std::vector<Value>& items) {
    for (size_t i = 0; i < items.size(); ++i) {
        out.add(i == 0 ? "" : ", ");
        append_repr(rt, out, items[i]);
    }
}

void append_entries(Runtime& rt, TextBuilder& out, const Dict& dict) {
    out.add("{");
    bool first = true;
    for (const auto& e : dict.entries()) {
        out.add(first ? "" : ", ");
        first = false;
        append_repr(rt, out, e.key);
        out.add(": ");
        append_repr(rt, out, e.value);
    }
    out.add("}");
}

void append_view(Runtime& rt, TextBuilder& out, const Value& v) {
    out.add(type_name(v));
    out.add("([");
    append_items(rt, out, collect(rt, v));
    out.add("])");
}

void append_range(TextBuilder& out, const RangeObject& range) {
    out.add("range(" + std::to_string(range.start) + ", " + std::to_string(range.stop));
    out.add(range.step == 1 ? ")" : ", " + std::to_string(range.step) + ")");
}

}  // namespace

void append_repr(Runtime& rt, TextBuilder& out, const Value& v) {
    const DepthGuard guard(rt.budget());
    rt.step();
    switch (v.type()) {
        case Type::kNone:
            out.add("None");
            return;
        case Type::kBool:
            out.add(v.as_bool() ? "True" : "False");
            return;
        case Type::kInt:
            out.add(int_text(v.as_int()));
            return;
        case Type::kFloat:
            out.add(float_repr(v.as_float()));
            return;
        case Type::kUndefined:
            out.add("Undefined");
            return;
        case Type::kStr:
            rt.budget().step_text(v.str().size());
            out.add(v.is_markup() ? "Markup(" + quoted(v.str()) + ")" : quoted(v.str()));
            return;
        case Type::kList:
            out.add("[");
            append_items(rt, out, v.items());
            out.add("]");
            return;
        case Type::kTuple:
            out.add("(");
            append_items(rt, out, v.items());
            out.add(v.items().size() == 1 ? ",)" : ")");
            return;
        case Type::kDict:
            append_entries(rt, out, v.dict().dict);
            return;
        case Type::kRange:
            append_range(out, v.get<RangeObject>());
            return;
        case Type::kView:
            append_view(rt, out, v);
            return;
        case Type::kNamespace:
            out.add("<Namespace ");
            append_entries(rt, out, v.get<NamespaceObject>().attributes);
            out.add(">");
            return;
        case Type::kLoop: {
            auto& loop = v.get<LoopObject>();
            out.add("<LoopContext " + std::to_string(loop.index0() + 1) + "/" + std::to_string(loop.length(rt)) + ">");
            return;
        }
        case Type::kFunction:
            out.add("<function " + v.get<FunctionObject>().name + ">");
            return;
        default:
            out.add(words({"<", type_name(v), " object>"}));
            return;
    }
}

void append_text(Runtime& rt, TextBuilder& out, const Value& v) {
    if (v.is_str()) {
        rt.budget().step_text(v.str().size());
        out.add(v.str());
    } else if (!v.is_undefined()) {
        append_repr(rt, out, v);
    }
}

std::string to_text(Runtime& rt, const Value& v) {
    if (v.is_str()) {
        rt.budget().step_text(v.str().size());
        return v.str();
    }
    TextBuilder out;
    append_text(rt, out, v);
    return out.take();
}

namespace {

/// Writes one value tree as json.dumps does.
class JsonWriter {
  public:
    JsonWriter(Runtime& rt, TextBuilder& out, const JsonStyle& style) : rt_(rt), out_(out), style_(style) {}

    void write(const Value& v) {
        const DepthGuard guard(rt_.budget());
        rt_.step();
        switch (v.type()) {
            case Type::kStr:
                write_text(v.str());
                return;
            case Type::kList:
            case Type::kTuple:
                write_list(v.items());
                return;
            case Type::kDict:
                write_dict(v.dict().dict);
                return;
            default:
                out_.add(scalar(v));
                return;
        }
    }

  private:
    static std::string scalar(const Value& v) {
        switch (v.type()) {
            case Type::kNone:
                return "null";
            case Type::kBool:
                return v.as_bool() ? "true" : "false";
            case Type::kInt:
                return int_text(v.as_int());
            case Type::kFloat:
                return std::isnan(v.as_float())   ? "NaN"
                       : std::isinf(v.as_float()) ? (v.as_float() < 0 ? "-Infinity" : "Infinity")
                                                  : float_repr(v.as_float());
            default:
                raise_type("Object of type " + std::string(type_name(v)) + " is not JSON serializable");
        }
    }

    void write_text(std::string_view s) {
        rt_.budget().step_text(s.size());
        std::string out = "\"";
        for (size_t pos = 0; pos < s.size();) {
            const size_t begin = pos;
            const char32_t c = utf8_next(s, pos);
            switch (c) {
                case '"':
                    out += "\\\"";
                    break;
                case '\\':
                    out += "\\\\";
                    break;
                case '\n':
                    out += "\\n";
                    break;
                case '\r':
                    out += "\\r";
                    break;
                case '\t':
                    out += "\\t";
                    break;
                case '\f':
                    out += "\\f";
                    break;
                case '\b':
                    out += "\\b";
                    break;
                default:
                    if (c < 0x20 || (style_.ensure_ascii && c > 0x7E)) {
                        escape(out, c);
                    } else {
                        out += s.substr(begin, pos - begin);
                    }
            }
        }
        out_.add(out + '"');
    }

    static void escape(std::string& out, char32_t c) {
        if (c >= 0x10000) {
            escape(out, 0xD800 + ((c - 0x10000) >> 10));
            c = 0xDC00 + ((c - 0x10000) & 0x3FF);
        }
        out += "\\u";
        append_hex(out, c, 4);
    }

    void break_line() {
        if (style_.indent) {
            out_.add("\n");
            for (size_t i = 0; i < level_; ++i) {
                out_.add(*style_.indent);
            }
        }
    }

    void write_list(const std::vector<Value>& items) {
        if (items.empty()) {
            out_.add("[]");
            return;
        }
        out_.add("[");
        ++level_;
        for (size_t i = 0; i < items.size(); ++i) {
            out_.add(i == 0 ? "" : style_.item_separator);
            break_line();
            write(items[i]);
        }
        --level_;
        break_line();
        out_.add("]");
    }

    void write_dict(const Dict& dict) {
        if (dict.size() == 0) {
            out_.add("{}");
            return;
        }
        std::vector<const Dict::Entry*> entries;
        for (const auto& e : dict.entries()) {
            entries.push_back(&e);
        }
        if (style_.sort_keys) {
            std::ranges::stable_sort(entries,
                                     [&](const auto* a, const auto* b) { return less(rt_.budget(), a->key, b->key); });
        }
        out_.add("{");
        ++level_;
        for (size_t i = 0; i < entries.size(); ++i) {
            out_.add(i == 0 ? "" : style_.item_separator);
            break_line();
            write_key(entries[i]->key);
            out_.add(style_.key_separator);
            write(entries[i]->value);
        }
        --level_;
        break_line();
        out_.add("}");
    }

    void write_key(const Value& key) {
        if (!key.is_str() && !key.is_number() && !key.is_none()) {
            raise_type("keys must be str, int, float, bool or None, not " + std::string(type_name(key)));
        }
        write_text(key.is_str() ? key.str() : scalar(key));
    }

    Runtime& rt_;
    TextBuilder& out_;
    const JsonStyle& style_;
    size_t level_ = 0;
};

}  // namespace

void append_json(Runtime& rt, TextBuilder& out, const Value& v, const JsonStyle& style) {
    JsonWriter(rt, out, style).write(v);
}

}  // namespace gantry::text::jinja
