#include "runtime/text/jinja/parser.hpp"
#include "runtime/text/jinja/parser_impl.hpp"

namespace gantry::text::jinja {

Template parse(std::string_view source) { return Parser(source).run(); }

Parser::Parser(std::string_view source) : source_(source), tokens_(tokenize(source)) {
    for (const char* known : {"loop", "caller", "varargs", "kwargs"}) {
        symbol(known);
    }
}

Parser::Nesting::Nesting(Parser& parser) : parser_(parser) {
    if (++parser_.nesting_ > kMaxNesting) {
        parser_.fail("the template is nested too deeply");
    }
}

// --- tokens ----------------------------------------------------------------------------------------------------------

const Token& Parser::take() {
    const Token& token = tokens_[at_];
    if (token.type != TokenType::kEnd) {
        ++at_;
    }
    return token;
}

bool Parser::skip_name(std::string_view name) {
    const bool found = is_name(name);
    at_ += found ? 1 : 0;
    return found;
}

bool Parser::skip_op(std::string_view op) {
    const bool found = is_op(op);
    at_ += found ? 1 : 0;
    return found;
}

std::string Parser::describe(const Token& token) {
    switch (token.type) {
        case TokenType::kData:
            return "template data / text";
        case TokenType::kVariableBegin:
            return "begin of print statement";
        case TokenType::kVariableEnd:
            return "end of print statement";
        case TokenType::kBlockBegin:
            return "begin of statement block";
        case TokenType::kBlockEnd:
            return "end of statement block";
        case TokenType::kString:
            return "string";
        case TokenType::kNumber:
            return token.number.is(Type::kFloat) ? "float" : "integer";
        case TokenType::kEnd:
            return "end of template";
        default:
            return token.text;
    }
}

void Parser::fail(std::string message, const Token& token) const {
    const auto [line, column] = position_of(source_, token.offset);
    throw SyntaxError(std::move(message), line, column);
}

void Parser::expect(TokenType type, std::string_view words) {
    if (is(TokenType::kEnd)) {
        fail("unexpected end of template, expected '" + std::string(words) + "'");
    }
    if (!is(type)) {
        fail("expected token '" + std::string(words) + "', got '" + describe(current()) + "'");
    }
    take();
}

void Parser::expect_op(std::string_view op) {
    if (!skip_op(op)) {
        expect(TokenType::kEnd, op);
    }
}

std::string Parser::expect_name() {
    const Token& token = current();
    expect(TokenType::kName, "name");
    return token.text;
}

Symbol Parser::symbol(const std::string& name) {
    const auto [it, added] = symbols_.try_emplace(name, static_cast<Symbol>(template_.names.size()));
    if (added) {
        template_.names.push_back(name);
    }
    return it->second;
}

void Parser::adopt(Expr& parent, const ExprPtr& child) {
    if (child != nullptr) {
        parent.height = std::max(parent.height, child->height + 1);
        if (parent.height > kMaxHeight) {
            fail("the expression is too long");
        }
    }
}

void Parser::adopt(Expr& parent, const CallArgs& args) {
    for (const auto& a : args.positional) {
        adopt(parent, a);
    }
    for (const auto& [name, a] : args.named) {
        adopt(parent, a);
    }
    adopt(parent, args.star);
    adopt(parent, args.double_star);
}

// --- operators, from loose to tight ----------------------------------------------------------------------------------

ExprPtr Parser::expression(bool with_condition) { return with_condition ? condition() : logic_or(); }

ExprPtr Parser::condition() {
    const Nesting nesting(*this);
    uint32_t at_line = line();
    const size_t unknown = unknown_.size();
    ExprPtr left = logic_or();
    while (skip_name("if")) {
        unknown_.erase(unknown_.begin() + static_cast<ptrdiff_t>(unknown), unknown_.end());
        auto node = std::make_unique<ConditionExpr>();
        node->line = at_line;
        node->then = std::move(left);
        {
            const Restore<bool> soft(soft_, true);
            node->test = logic_or();
            if (skip_name("else")) {
                node->otherwise = condition();
            }
        }
        adopt(*node, node->then);
        adopt(*node, node->test);
        adopt(*node, node->otherwise);
        left = std::move(node);
        at_line = line();
    }
    return left;
}

ExprPtr Parser::binary(ExprKind kind, ArithmeticOp op, ExprPtr left, ExprPtr right) {
    auto node = std::make_unique<BinaryExpr>(kind);
    node->op = op;
    node->left = std::move(left);
    node->right = std::move(right);
    adopt(*node, node->left);
    adopt(*node, node->right);
    return node;
}

ExprPtr Parser::logic_or() {
    ExprPtr left = logic_and();
    while (skip_name("or")) {
        left = binary(ExprKind::kOr, ArithmeticOp::kAdd, std::move(left), logic_and());
    }
    return left;
}

ExprPtr Parser::logic_and() {
    ExprPtr left = logic_not();
    while (skip_name("and")) {
        left = binary(ExprKind::kAnd, ArithmeticOp::kAdd, std::move(left), logic_not());
    }
    return left;
}

ExprPtr Parser::logic_not() {
    if (!is_name("not")) {
        return comparison();
    }
    const Nesting nesting(*this);
    take();
    auto node = std::make_unique<UnaryExpr>(ExprKind::kNot);
    node->operand = logic_not();
    adopt(*node, node->operand);
    return node;
}

bool Parser::comparison_operator(CompareOp& op) {
    constexpr std::pair<std::string_view, CompareOp> kOperators[] = {
        {"==", CompareOp::kEq}, {"!=", CompareOp::kNe}, {"<", CompareOp::kLt},
        {"<=", CompareOp::kLe}, {">", CompareOp::kGt},  {">=", CompareOp::kGe},
    };
    for (const auto& [text, value] : kOperators) {
        if (skip_op(text)) {
            op = value;
            return true;
        }
    }
    if (skip_name("in")) {
        op = CompareOp::kIn;
        return true;
    }
    if (is_name("not") && look().type == TokenType::kName && look().text == "in") {
        at_ += 2;
        op = CompareOp::kNotIn;
        return true;
    }
    return false;
}

ExprPtr Parser::comparison() {
    ExprPtr first = sum();
    CompareOp op{};
    if (!comparison_operator(op)) {
        return first;
    }
    auto node = std::make_unique<CompareExpr>();
    node->first = std::move(first);
    adopt(*node, node->first);
    do {
        node->rest.emplace_back(op, sum());
        adopt(*node, node->rest.back().second);
    } while (comparison_operator(op));
    return node;
}

ExprPtr Parser::sum() {
    ExprPtr left = concat();
    while (is_op("+") || is_op("-")) {
        const auto op = take().text == "+" ? ArithmeticOp::kAdd : ArithmeticOp::kSub;
        left = binary(ExprKind::kArithmetic, op, std::move(left), concat());
    }
    return left;
}

ExprPtr Parser::concat() {
    ExprPtr first = product();
    if (!is_op("~")) {
        return first;
    }
    auto node = std::make_unique<ItemsExpr>(ExprKind::kConcat);
    node->items.push_back(std::move(first));
    adopt(*node, node->items.back());
    while (skip_op("~")) {
        node->items.push_back(product());
        adopt(*node, node->items.back());
    }
    return node;
}

ExprPtr Parser::product() {
    ExprPtr left = power();
    while (is_op("*") || is_op("/") || is_op("//") || is_op("%")) {
        const std::string& text = take().text;
        const auto op = text == "*"    ? ArithmeticOp::kMul
                        : text == "/"  ? ArithmeticOp::kDiv
                        : text == "//" ? ArithmeticOp::kFloorDiv
                                       : ArithmeticOp::kMod;
        left = binary(ExprKind::kArithmetic, op, std::move(left), power());
    }
    return left;
}

ExprPtr Parser::power() {
    ExprPtr left = unary();
    while (skip_op("**")) {
        left = binary(ExprKind::kArithmetic, ArithmeticOp::kPow, std::move(left), unary());
    }
    return left;
}

ExprPtr Parser::unary(bool with_filter) {
    const Nesting nesting(*this);
    ExprPtr node;
    if (is_op("-") || is_op("+")) {
        const auto kind = take().text == "-" ? ExprKind::kNegative : ExprKind::kPositive;
        auto sign = std::make_unique<UnaryExpr>(kind);
        sign->operand = unary(false);
        adopt(*sign, sign->operand);
        node = std::move(sign);
    } else {
        node = primary();
    }
    node = postfix(std::move(node));
    return with_filter ? filters_and_tests(std::move(node)) : std::move(node);
}

// --- operands --------------------------------------------------------------------------------------------------------

ExprPtr Parser::primary() {
    const Token& token = current();
    switch (token.type) {
        case TokenType::kName:
            return name_or_constant();
        case TokenType::kString: {
            std::string text;
            while (is(TokenType::kString)) {
                text += take().text;
            }
            return std::make_unique<ConstExpr>(Value::text(std::move(text)));
        }
        case TokenType::kNumber:
            take();
            return std::make_unique<ConstExpr>(token.number);
        case TokenType::kOperator:
            if (skip_op("(")) {
                ExprPtr node = tuple(true, true);
                expect_op(")");
                return node;
            }
            if (skip_op("[")) {
                return list();
            }
            if (skip_op("{")) {
                return dict();
            }
            break;
        default:
            break;
    }
    fail("unexpected '" + describe(token) + "'");
}

ExprPtr Parser::name_or_constant() {
    const std::string& name = take().text;
    if (name == "true" || name == "True" || name == "false" || name == "False") {
        return std::make_unique<ConstExpr>(Value::boolean(name == "true" || name == "True"));
    }
    if (name == "none" || name == "None") {
        return std::make_unique<ConstExpr>(Value());
    }
    const Symbol id = symbol(name);
    for (Signature* open : signatures_) {
        open->uses_caller = open->uses_caller || id == kCallerSymbol;
        open->uses_varargs = open->uses_varargs || id == kVarargsSymbol;
        open->uses_kwargs = open->uses_kwargs || id == kKwargsSymbol;
    }
    return std::make_unique<NameExpr>(id);
}

ExprPtr Parser::list() {
    auto node = std::make_unique<ItemsExpr>(ExprKind::kList);
    while (!is_op("]")) {
        if (!node->items.empty()) {
            expect_op(",");
            if (is_op("]")) {
                break;
            }
        }
        node->items.push_back(expression());
        adopt(*node, node->items.back());
    }
    expect_op("]");
    return node;
}

ExprPtr Parser::dict() {
    auto node = std::make_unique<ItemsExpr>(ExprKind::kDict);
    while (!is_op("}")) {
        if (!node->items.empty()) {
            expect_op(",");
            if (is_op("}")) {
                break;
            }
        }
        node->items.push_back(expression());
        adopt(*node, node->items.back());
        expect_op(":");
        node->items.push_back(expression());
        adopt(*node, node->items.back());
    }
    expect_op("}");
    return node;
}

/// An expression, or several with commas between them, which make a tuple.
ExprPtr Parser::tuple(bool with_condition, bool parenthesized) {
    auto node = std::make_unique<ItemsExpr>(ExprKind::kTuple);
    bool is_tuple = false;
    const auto at_end = [&] { return is(TokenType::kVariableEnd) || is(TokenType::kBlockEnd) || is_op(")"); };
    while (!at_end()) {
        node->items.push_back(expression(with_condition));
        adopt(*node, node->items.back());
        if (!skip_op(",")) {
            break;
        }
        is_tuple = true;
    }
    if (!is_tuple && node->items.size() == 1) {
        return std::move(node->items.front());
    }
    if (!is_tuple && !parenthesized) {
        fail("Expected an expression, got '" + describe(current()) + "'");
    }
    return node;
}

ExprPtr Parser::postfix(ExprPtr node) {
    for (;;) {
        if (is_op(".") || is_op("[")) {
            node = subscript(std::move(node));
        } else if (is_op("(")) {
            node = call(std::move(node));
        } else {
            return node;
        }
    }
}

ExprPtr Parser::filters_and_tests(ExprPtr node) {
    for (;;) {
        if (skip_op("|")) {
            node = filter(std::move(node));
        } else if (is_name("is")) {
            node = test(std::move(node));
        } else if (is_op("(")) {
            node = call(std::move(node));
        } else {
            return node;
        }
    }
}

ExprPtr Parser::subscript(ExprPtr object) {
    if (skip_op("[")) {
        return bracketed(std::move(object));
    }
    expect_op(".");
    const Token& token = take();
    if (token.type == TokenType::kName) {
        auto node = std::make_unique<AttributeExpr>();
        node->object = std::move(object);
        node->name = token.text;
        adopt(*node, node->object);
        return node;
    }
    if (token.type != TokenType::kNumber || !token.number.is(Type::kInt)) {
        fail("expected name or number", token);
    }
    auto node = std::make_unique<ItemExpr>();
    node->object = std::move(object);
    node->key = std::make_unique<ConstExpr>(token.number);
    adopt(*node, node->object);
    return node;
}

ExprPtr Parser::bracketed(ExprPtr object) {
    ExprPtr first = is_op(":") ? nullptr : is_op("]") ? std::make_unique<ItemsExpr>(ExprKind::kTuple) : expression();
    if (is_op(":")) {
        auto node = std::make_unique<SliceExpr>();
        const auto bound = [&]() -> ExprPtr {
            return skip_op(":") && !is_op(":") && !is_op("]") ? expression() : nullptr;
        };
        node->object = std::move(object);
        node->start = std::move(first);
        node->stop = bound();
        node->step = bound();
        for (const auto* child : {&node->object, &node->start, &node->stop, &node->step}) {
            adopt(*node, *child);
        }
        expect_op("]");
        return node;
    }
    if (is_op(",")) {
        auto key = std::make_unique<ItemsExpr>(ExprKind::kTuple);
        key->items.push_back(std::move(first));
        while (skip_op(",")) {
            key->items.push_back(expression());
        }
        for (const auto& item : key->items) {
            adopt(*key, item);
        }
        first = std::move(key);
    }
    expect_op("]");
    auto node = std::make_unique<ItemExpr>();
    node->object = std::move(object);
    node->key = std::move(first);
    adopt(*node, node->object);
    adopt(*node, node->key);
    return node;
}

ExprPtr Parser::call(ExprPtr callee) {
    auto node = std::make_unique<CallExpr>();
    node->callee = std::move(callee);
    node->args = call_args();
    adopt(*node, node->callee);
    adopt(*node, node->args);
    return node;
}

CallArgs Parser::call_args() {
    const Token& open = current();
    expect_op("(");
    CallArgs args;
    const auto ensure = [&](bool fits) {
        if (!fits) {
            fail("invalid syntax for function call expression", open);
        }
    };
    for (bool first = true; !is_op(")"); first = false) {
        if (!first) {
            expect_op(",");
            if (is_op(")")) {
                break;
            }
        }
        if (skip_op("*")) {
            ensure(args.star == nullptr && args.double_star == nullptr);
            args.star = expression();
        } else if (skip_op("**")) {
            ensure(args.double_star == nullptr);
            args.double_star = expression();
        } else if (is(TokenType::kName) && look().type == TokenType::kOperator && look().text == "=") {
            ensure(args.double_star == nullptr);
            std::string name = take().text;
            take();
            for (const auto& [other, value] : args.named) {
                if (other == name) {
                    fail("keyword argument repeated: " + name);
                }
            }
            args.named.emplace_back(std::move(name), expression());
        } else {
            ensure(args.star == nullptr && args.double_star == nullptr && args.named.empty());
            args.positional.push_back(expression());
        }
    }
    expect_op(")");
    return args;
}

void Parser::note_unknown(std::string message, const Token& token) {
    if (!soft_) {
        const auto [line, column] = position_of(source_, token.offset);
        unknown_.emplace_back(std::move(message), line, column);
    }
}

std::string Parser::dotted_name() {
    std::string name = expect_name();
    while (skip_op(".")) {
        name += '.';
        name += expect_name();
    }
    return name;
}

ExprPtr Parser::filter(ExprPtr object) {
    const Token& token = current();
    auto node = std::make_unique<FilterExpr>();
    node->object = std::move(object);
    node->name = dotted_name();
    node->function = find_filter(node->name);
    if (node->function == nullptr) {
        note_unknown("No filter named '" + node->name + "'.", token);
    }
    if (is_op("(")) {
        node->args = call_args();
    }
    adopt(*node, node->object);
    adopt(*node, node->args);
    return node;
}

ExprPtr Parser::test(ExprPtr object) {
    expect(TokenType::kName, "is");
    const bool negated = skip_name("not");
    const Token& token = current();
    auto node = std::make_unique<TestExpr>();
    node->object = std::move(object);
    node->name = dotted_name();
    node->function = find_test(node->name);
    if (node->function == nullptr) {
        note_unknown("No test named '" + node->name + "'.", token);
    }
    const bool operand = is(TokenType::kString) || is(TokenType::kNumber) || is_op("[") || is_op("{") ||
                         (is(TokenType::kName) && !is_name("else") && !is_name("or") && !is_name("and"));
    if (is_op("(")) {
        node->args = call_args();
    } else if (operand) {
        if (is_name("is")) {
            fail("You cannot chain multiple tests with is");
        }
        node->args.positional.push_back(postfix(primary()));
    }
    adopt(*node, node->object);
    adopt(*node, node->args);
    if (!negated) {
        return node;
    }
    auto negation = std::make_unique<UnaryExpr>(ExprKind::kNot);
    negation->operand = std::move(node);
    adopt(*negation, negation->operand);
    return negation;
}

}  // namespace gantry::text::jinja
