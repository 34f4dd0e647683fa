/// `+ - * / // % **` and unary signs over all types.

#include <algorithm>

#include "runtime/text/jinja/runtime.hpp"

namespace gantry::text::jinja {

namespace {

[[noreturn]] void raise_unsupported(ArithmeticOp op, const Value& a, const Value& b) {
    raise_type("unsupported operand type(s) for " + std::string(arithmetic_symbol(op)) + ": '" +
               std::string(type_name(a)) + "' and '" + std::string(type_name(b)) + "'");
}

Value add_texts(Runtime& rt, const Value& a, const Value& b) {
    const bool markup = a.is_markup() || b.is_markup();
    const Value left = markup ? html_escape(rt, a) : a;
    const Value right = markup ? html_escape(rt, b) : b;
    rt.budget().require(left.str().size() + right.str().size());
    return rt.text(left.str() + right.str(), markup);
}

Value concatenate(Runtime& rt, const Value& a, const Value& b) {
    const auto& x = a.items();
    const auto& y = b.items();
    rt.step(1 + (x.size() + y.size()) / 16);
    rt.budget().require((x.size() + y.size()) * sizeof(Value));
    std::vector<Value> out;
    out.reserve(x.size() + y.size());
    out.insert(out.end(), x.begin(), x.end());
    out.insert(out.end(), y.begin(), y.end());
    return a.is(Type::kList) ? rt.list(std::move(out)) : rt.tuple(std::move(out));
}

Value repeat(Runtime& rt, const Value& v, const Value& times) {
    const auto count = static_cast<size_t>(std::max<int64_t>(to_index(times), 0));
    const size_t size = v.is_str() ? v.str().size() : v.items().size() * sizeof(Value);
    if (size != 0 && count > kMaxLiveBytes / size) {
        raise(ErrorKind::kLimit, "the template needs too much memory");
    }
    rt.budget().step_text(size * count);
    if (v.is_str()) {
        if (size * count > kMaxTextBytes) {
            raise(ErrorKind::kLimit, "the template makes too long a text");
        }
        std::string out;
        out.reserve(size * count);
        for (size_t i = 0; size != 0 && i < count; ++i) {
            out += v.str();
        }
        return rt.text(std::move(out), v.is_markup());
    }
    rt.budget().require(size * count);
    std::vector<Value> out;
    for (size_t i = 0; size != 0 && i < count; ++i) {
        out.insert(out.end(), v.items().begin(), v.items().end());
    }
    return v.is(Type::kList) ? rt.list(std::move(out)) : rt.tuple(std::move(out));
}

Value add_values(Runtime& rt, const Value& a, const Value& b) {
    if (a.is_str() && b.is_str()) {
        return add_texts(rt, a, b);
    }
    if (a.is_sequence() && a.type() == b.type()) {
        return concatenate(rt, a, b);
    }
    if (a.is_str() || a.is_sequence()) {
        const std::string name(type_name(a));
        raise_type("can only concatenate " + name + " (not \"" + std::string(type_name(b)) + "\") to " + name);
    }
    raise_unsupported(ArithmeticOp::kAdd, a, b);
}

bool repeatable(const Value& v) { return v.is_str() || v.is_sequence(); }

}  // namespace

Value binary(Runtime& rt, ArithmeticOp op, const Value& a, const Value& b) {
    rt.step();
    if (a.is_number() && b.is_number()) {
        return arithmetic(op, a, b);
    }
    if (op == ArithmeticOp::kMod && a.is_str()) {
        return rt.text(percent_format(rt, a, b), a.is_markup());
    }
    if (a.is_undefined() || b.is_undefined()) {
        raise_undefined(a.is_undefined() ? a : b);
    }
    if (op == ArithmeticOp::kAdd) {
        return add_values(rt, a, b);
    }
    if (op == ArithmeticOp::kMul && (repeatable(a) || repeatable(b))) {
        const Value& sequence = repeatable(a) ? a : b;
        const Value& times = repeatable(a) ? b : a;
        if (!times.is_integral()) {
            raise_type("can't multiply sequence by non-int of type '" + std::string(type_name(times)) + "'");
        }
        return repeat(rt, sequence, times);
    }
    raise_unsupported(op, a, b);
}

Value negate(const Value& v, bool minus) {
    if (v.is_undefined()) {
        raise_undefined(v);
    }
    if (v.is(Type::kFloat)) {
        return Value::real(minus ? -v.as_float() : v.as_float());
    }
    if (!v.is_integral()) {
        raise_type(std::string("bad operand type for unary ") + (minus ? "-" : "+") + ": '" +
                   std::string(type_name(v)) + "'");
    }
    return minus ? arithmetic(ArithmeticOp::kSub, Value::integer(0), v) : Value::integer(v.as_int());
}

Value html_escape(Runtime& rt, const Value& v) {
    if (v.is_markup()) {
        return v;
    }
    const std::string plain = to_text(rt, v);
    TextBuilder out;
    for (const char c : plain) {
        switch (c) {
            case '&':
                out.add("&amp;");
                break;
            case '<':
                out.add("&lt;");
                break;
            case '>':
                out.add("&gt;");
                break;
            case '"':
                out.add("&#34;");
                break;
            case '\'':
                out.add("&#39;");
                break;
            default:
                out.add(1, c);
        }
    }
    return rt.text(out.take(), true);
}

}  // namespace gantry::text::jinja
