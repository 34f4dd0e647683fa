#include "runtime/text/jinja/interpreter.hpp"

namespace gantry::text::jinja {

Value Interpreter::evaluate(const Expr& expr) {
    const DepthGuard guard(budget());
    step();
    switch (expr.kind) {
        case ExprKind::kConst:
            return static_cast<const ConstExpr&>(expr).value;
        case ExprKind::kName:
            return name(static_cast<const NameExpr&>(expr).symbol);
        case ExprKind::kBuffer:
            return buffer_;
        case ExprKind::kTuple:
        case ExprKind::kList:
            return items(static_cast<const ItemsExpr&>(expr));
        case ExprKind::kDict:
            return dictionary(static_cast<const ItemsExpr&>(expr));
        case ExprKind::kConcat:
            return concatenation(static_cast<const ItemsExpr&>(expr));
        case ExprKind::kNot:
            return Value::boolean(!truthy(evaluate(*static_cast<const UnaryExpr&>(expr).operand)));
        case ExprKind::kNegative:
            return negate(evaluate(*static_cast<const UnaryExpr&>(expr).operand), true);
        case ExprKind::kPositive:
            return negate(evaluate(*static_cast<const UnaryExpr&>(expr).operand), false);
        case ExprKind::kArithmetic:
            return arithmetic_of(static_cast<const BinaryExpr&>(expr));
        case ExprKind::kAnd:
        case ExprKind::kOr: {
            const auto& node = static_cast<const BinaryExpr&>(expr);
            Value left = evaluate(*node.left);
            return truthy(left) == (expr.kind == ExprKind::kOr) ? left : evaluate(*node.right);
        }
        case ExprKind::kCompare:
            return comparison(static_cast<const CompareExpr&>(expr));
        case ExprKind::kCondition:
            return condition(static_cast<const ConditionExpr&>(expr));
        case ExprKind::kAttribute: {
            const auto& node = static_cast<const AttributeExpr&>(expr);
            return get_attribute(*this, evaluate(*node.object), node.name);
        }
        case ExprKind::kItem: {
            const auto& node = static_cast<const ItemExpr&>(expr);
            const Value object = evaluate(*node.object);
            return get_item(*this, object, evaluate(*node.key));
        }
        case ExprKind::kSlice:
            return slice(static_cast<const SliceExpr&>(expr));
        case ExprKind::kCall:
            return call_of(static_cast<const CallExpr&>(expr));
        case ExprKind::kFilter:
            return filtered(static_cast<const FilterExpr&>(expr));
        case ExprKind::kTest:
            return tested(static_cast<const TestExpr&>(expr));
    }
    return {};
}

const Value* Interpreter::context(Symbol symbol) {
    if (!looked_up_[symbol]) {
        looked_up_[symbol] = true;
        const auto& name = template_.names[symbol];
        if (const auto* json = variables_.if_contains(name)) {
            context_[symbol] = from_json(*json);
        } else {
            context_[symbol] = find_global(name);
        }
    }
    return context_[symbol] ? &*context_[symbol] : nullptr;
}

Value Interpreter::name(Symbol symbol) {
    for (const Scope* s = current_; s != nullptr; s = s->parent) {
        if (const Value* found = s->find(symbol)) {
            return *found;
        }
    }
    if (const Value* found = context(symbol)) {
        return *found;
    }
    return Value::undefined("'" + template_.names[symbol] + "' is undefined");
}

Value Interpreter::items(const ItemsExpr& expr) {
    std::vector<Value> values;
    values.reserve(expr.items.size());
    for (const auto& item : expr.items) {
        values.push_back(evaluate(*item));
    }
    return expr.kind == ExprKind::kList ? list(std::move(values)) : tuple(std::move(values));
}

Value Interpreter::dictionary(const ItemsExpr& expr) {
    Dict out;
    for (size_t i = 0; i + 1 < expr.items.size(); i += 2) {
        Value key = evaluate(*expr.items[i]);
        out.set(budget(), std::move(key), evaluate(*expr.items[i + 1]));
    }
    return dict(std::move(out));
}

Value Interpreter::concatenation(const ItemsExpr& expr) {
    TextBuilder out;
    std::vector<Value> values;
    for (const auto& item : expr.items) {
        values.push_back(evaluate(*item));
    }
    for (const auto& v : values) {
        append_text(*this, out, v);
    }
    return text(out.take());
}

bool Interpreter::compare(CompareOp op, const Value& a, const Value& b) {
    switch (op) {
        case CompareOp::kEq:
            return equals(budget(), a, b);
        case CompareOp::kNe:
            return !equals(budget(), a, b);
        case CompareOp::kLt:
            return less(budget(), a, b, "<");
        case CompareOp::kGt:
            return less(budget(), b, a, ">", true);
        case CompareOp::kLe:
            return less_equal(budget(), a, b, "<=");
        case CompareOp::kGe:
            return less_equal(budget(), b, a, ">=", true);
        case CompareOp::kIn:
            return contains(*this, b, a);
        case CompareOp::kNotIn:
            return !contains(*this, b, a);
    }
    return false;
}

Value Interpreter::comparison(const CompareExpr& expr) {
    Value left = evaluate(*expr.first);
    for (const auto& [op, operand] : expr.rest) {
        Value right = evaluate(*operand);
        if (!compare(op, left, right)) {
            return Value::boolean(false);
        }
        left = std::move(right);
    }
    return Value::boolean(true);
}

Value Interpreter::condition(const ConditionExpr& expr) {
    if (truthy(evaluate(*expr.test))) {
        return evaluate(*expr.then);
    }
    if (expr.otherwise != nullptr) {
        return evaluate(*expr.otherwise);
    }
    return Value::undefined("the inline if-expression on line " + std::to_string(expr.line) +
                            " evaluated to false and no else section was defined.");
}

Value Interpreter::arithmetic_of(const BinaryExpr& expr) {
    const Value left = evaluate(*expr.left);
    return binary(*this, expr.op, left, evaluate(*expr.right));
}

Value Interpreter::slice(const SliceExpr& expr) {
    const Value object = evaluate(*expr.object);
    const Value start = optional(expr.start);
    const Value stop = optional(expr.stop);
    return get_slice(*this, object, start, stop, optional(expr.step));
}

Args Interpreter::arguments(const CallArgs& args) {
    Args out;
    out.positional.reserve(args.positional.size());
    for (const auto& a : args.positional) {
        out.positional.push_back(evaluate(*a));
    }
    if (args.star != nullptr) {
        const auto more = collect(*this, evaluate(*args.star));
        out.positional.insert(out.positional.end(), more.begin(), more.end());
    }
    for (const auto& [key, a] : args.named) {
        out.named.emplace_back(key, evaluate(*a));
    }
    if (args.double_star != nullptr) {
        const Value more = evaluate(*args.double_star);
        if (!more.is(Type::kDict)) {
            raise_type("argument after ** must be a mapping, not " + std::string(type_name(more)));
        }
        for (const auto& e : more.dict().dict.entries()) {
            step(1 + out.named.size());
            if (!e.key.is_str()) {
                raise_type("keywords must be strings");
            }
            for (const auto& [key, value] : out.named) {
                if (key == e.key.str()) {
                    raise_type("got multiple values for keyword argument '" + key + "'");
                }
            }
            out.named.emplace_back(e.key.str(), e.value);
        }
    }
    return out;
}

Value Interpreter::call_of(const CallExpr& expr) {
    const Value callee = evaluate(*expr.callee);
    Args args = arguments(expr.args);
    return call(callee, args);
}

Value Interpreter::call(const Value& callee, Args& args) {
    step();
    switch (callee.type()) {
        case Type::kFunction: {
            const auto& f = callee.get<FunctionObject>();
            return f.function(*this, f.self, args);
        }
        case Type::kMacro:
            return call_macro(callee.get<MacroObject>(), args);
        case Type::kLoop: {
            const Params params("loop", args, {"iterable"}, 1);
            const auto& loop = callee.get<LoopObject>();
            if (!loop.recurse) {
                raise_type("The loop must have the 'recursive' marker to be called recursively.");
            }
            return loop.recurse(*params[0], loop.depth0() + 1);
        }
        case Type::kJoiner: {
            const Params params("joiner", args, {}, 0);
            auto& joiner = callee.get<JoinerObject>();
            return std::exchange(joiner.used, true) ? text(joiner.separator) : text("");
        }
        case Type::kUndefined:
            raise_undefined(callee);
        default:
            raise_type("'" + std::string(type_name(callee)) + "' object is not callable");
    }
}

Value Interpreter::filtered(const FilterExpr& expr) {
    const Value object = evaluate(*expr.object);
    Args args = arguments(expr.args);
    if (expr.function == nullptr) {
        raise(ErrorKind::kTemplate, "No filter named '" + expr.name + "' found.");
    }
    return expr.function(*this, object, args);
}

Value Interpreter::tested(const TestExpr& expr) {
    const Value object = evaluate(*expr.object);
    Args args = arguments(expr.args);
    if (expr.function == nullptr) {
        raise(ErrorKind::kTemplate, "No test named '" + expr.name + "' found.");
    }
    return Value::boolean(expr.function(*this, object, args));
}

}  // namespace gantry::text::jinja
