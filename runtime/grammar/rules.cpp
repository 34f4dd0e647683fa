#include "runtime/grammar/rules.hpp"

#include <utility>

namespace gantry::grammar {

ExprId Rules::add(Expr expr) {
    exprs_.push_back(std::move(expr));
    return static_cast<ExprId>(exprs_.size() - 1);
}

ExprId Rules::sequence(std::vector<ExprId> parts) {
    if (parts.size() == 1) {
        return parts.front();
    }
    Expr e;
    e.parts = std::move(parts);
    return add(std::move(e));
}

ExprId Rules::choice(std::vector<ExprId> parts) {
    if (parts.size() == 1) {
        return parts.front();
    }
    Expr e;
    e.kind = Expr::Kind::kChoice;
    e.parts = std::move(parts);
    return add(std::move(e));
}

ExprId Rules::repeat(ExprId part, uint32_t min, uint32_t max) {
    Expr e;
    e.kind = Expr::Kind::kRepeat;
    e.parts = {part};
    e.min = min;
    e.max = max;
    return add(std::move(e));
}

ExprId Rules::set(CodepointSet set) {
    Expr e;
    e.kind = Expr::Kind::kSet;
    e.set = std::move(set);
    return add(std::move(e));
}

ExprId Rules::bytes(std::string text) {
    Expr e;
    e.kind = Expr::Kind::kBytes;
    e.bytes = std::move(text);
    return add(std::move(e));
}

ExprId Rules::rule(RuleId rule) {
    Expr e;
    e.kind = Expr::Kind::kRule;
    e.rule = rule;
    return add(std::move(e));
}

RuleId Rules::add_rule(std::string name) {
    names_.push_back(std::move(name));
    bodies_.push_back(choice({}));
    return static_cast<RuleId>(bodies_.size() - 1);
}

}  // namespace gantry::grammar
