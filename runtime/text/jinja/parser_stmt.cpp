#include "runtime/text/jinja/parser_impl.hpp"

namespace gantry::text::jinja {

Template Parser::run() {
    template_.body = statements({});
    if (!unknown_.empty()) {
        throw unknown_.front();
    }
    return std::move(template_);
}

void Parser::fail_unknown_tag(const Token& token, bool end_of_template) {
    std::string message =
        end_of_template ? "Unexpected end of template." : "Encountered unknown tag '" + token.text + "'.";
    if (!awaited_.empty()) {
        std::string looking;
        for (const auto& end : awaited_.back()) {
            looking += (looking.empty() ? "'" : " or '") + end + "'";
        }
        message += " Jinja was looking for the following tags: " + looking + ".";
    }
    if (!open_tags_.empty()) {
        message += " The innermost block that needs to be closed is '" + open_tags_.back() + "'.";
    }
    fail(message, token);
}

/// Statements up to a tag named in `ends`, which stays the current token; without ends, the whole template.
Body Parser::statements(std::initializer_list<std::string_view> ends) {
    Body body;
    std::unique_ptr<OutputStmt> output;
    const auto add_output = [&](ExprPtr item) {
        if (output == nullptr) {
            output = std::make_unique<OutputStmt>(line());
        }
        output->items.push_back(std::move(item));
    };
    const auto flush = [&] {
        if (output != nullptr) {
            body.push_back(std::move(output));
        }
    };
    if (ends.size() != 0) {
        awaited_.emplace_back(ends.begin(), ends.end());
    }
    while (!is(TokenType::kEnd)) {
        if (is(TokenType::kData)) {
            add_output(std::make_unique<ConstExpr>(Value::text(current().text)));
            take();
        } else if (is(TokenType::kVariableBegin)) {
            take();
            add_output(tuple(true, false));
            expect(TokenType::kVariableEnd, "end of print statement");
        } else {
            expect(TokenType::kBlockBegin, "begin of statement block");
            if (is(TokenType::kName) && std::ranges::find(ends, current().text) != ends.end()) {
                break;
            }
            flush();
            body.push_back(statement());
            expect(TokenType::kBlockEnd, "end of statement block");
        }
    }
    if (ends.size() != 0) {
        if (is(TokenType::kEnd)) {
            fail_unknown_tag(current(), true);
        }
        awaited_.pop_back();
    }
    flush();
    return body;
}

/// The body of a tag whose head ends here.
Body Parser::block(std::initializer_list<std::string_view> ends) {
    skip_op(":");
    expect(TokenType::kBlockEnd, "end of statement block");
    return statements(ends);
}

/// A body that becomes a function of its own: a `break` in it finds no loop.
Body Parser::block_without_loop(std::initializer_list<std::string_view> ends) {
    const Restore<uint32_t> loops(loops_, 0);
    const Restore<bool> soft(soft_, false);
    Body body = block(ends);
    take();
    return body;
}

std::unique_ptr<Stmt> Parser::statement() {
    const Nesting nesting(*this);
    const Token& token = current();
    const uint32_t at = line();
    if (token.type != TokenType::kName) {
        fail("tag name expected");
    }
    const std::string& tag = token.text;
    take();
    open_tags_.push_back(tag);
    std::unique_ptr<Stmt> result;
    if (tag == "if")
        result = parse_if(at);
    else if (tag == "for")
        result = parse_for(at);
    else if (tag == "set")
        result = parse_set(at);
    else if (tag == "with")
        result = parse_with(at);
    else if (tag == "macro")
        result = parse_macro(at);
    else if (tag == "call")
        result = parse_call(at);
    else if (tag == "filter")
        result = parse_filter(at);
    else if (tag == "block")
        result = parse_block(at);
    else if (tag == "generation")
        result = parse_generation(at);
    else if (tag == "autoescape")
        result = parse_autoescape(at);
    else if (tag == "print")
        result = parse_print(at);
    else if (tag == "break")
        result = parse_loop_control(at, StmtKind::kBreak);
    else if (tag == "continue")
        result = parse_loop_control(at, StmtKind::kContinue);
    else if (tag == "include" || tag == "import" || tag == "from" || tag == "extends")
        result = parse_loader_tag(at, tag);
    else {
        open_tags_.pop_back();
        fail_unknown_tag(token, false);
    }
    open_tags_.pop_back();
    return result;
}

std::unique_ptr<Stmt> Parser::parse_if(uint32_t at) {
    auto node = std::make_unique<IfStmt>(at);
    const Restore<bool> soft(soft_, true);
    for (;;) {
        ExprPtr test = tuple(false, false);
        node->branches.emplace_back(std::move(test), block({"elif", "else", "endif"}));
        const std::string& end = take().text;
        if (end == "elif") {
            continue;
        }
        if (end == "else") {
            node->otherwise = block({"endif"});
            take();
        }
        return node;
    }
}

std::unique_ptr<Stmt> Parser::parse_for(uint32_t at) {
    auto node = std::make_unique<ForStmt>(at);
    const Restore<uint32_t> tags(for_tags_, for_tags_ + 1);
    node->target = target(false);
    if (!skip_name("in")) {
        expect(TokenType::kEnd, "in");
    }
    node->items = tuple(false, false);
    const Restore<bool> soft(soft_, false);
    if (skip_name("if")) {
        node->filter = expression();
    }
    node->recursive = skip_name("recursive");
    {
        const Restore<uint32_t> loops(loops_, loops_ + 1);
        node->body = block({"endfor", "else"});
    }
    if (take().text == "else") {
        node->otherwise = block({"endfor"});
        take();
    }
    return node;
}

std::unique_ptr<Stmt> Parser::parse_set(uint32_t at) {
    Target to = target(true);
    if (skip_op("=")) {
        auto node = std::make_unique<SetStmt>(at);
        node->target = std::move(to);
        node->value = tuple(true, false);
        return node;
    }
    auto node = std::make_unique<BufferStmt>(StmtKind::kSetBlock, at);
    node->target = std::move(to);
    const Restore<bool> soft(soft_, false);
    if (is_op("|")) {
        node->filter = std::make_unique<BufferExpr>();
        while (skip_op("|")) {
            node->filter = filter(std::move(node->filter));
        }
    }
    node->body = block({"endset"});
    take();
    return node;
}

std::unique_ptr<Stmt> Parser::parse_filter(uint32_t at) {
    auto node = std::make_unique<BufferStmt>(StmtKind::kFilterBlock, at);
    const Restore<bool> soft(soft_, false);
    node->filter = filter(std::make_unique<BufferExpr>());
    while (skip_op("|")) {
        node->filter = filter(std::move(node->filter));
    }
    node->body = block({"endfilter"});
    take();
    return node;
}

std::unique_ptr<Stmt> Parser::parse_with(uint32_t at) {
    auto node = std::make_unique<WithStmt>(at);
    while (!is(TokenType::kBlockEnd)) {
        if (!node->values.empty()) {
            expect_op(",");
        }
        Target to = target(false, false);
        expect_op("=");
        node->values.emplace_back(std::move(to), expression());
    }
    const Restore<bool> soft(soft_, false);
    node->body = block({"endwith"});
    take();
    return node;
}

void Parser::signature(Signature& out) {
    expect_op("(");
    while (!is_op(")")) {
        if (!out.parameters.empty()) {
            expect_op(",");
        }
        const Symbol parameter = symbol(expect_name());
        if (std::ranges::find(out.parameters, parameter) != out.parameters.end()) {
            fail("duplicate argument '" + template_.names[parameter] + "' in a macro's definition");
        }
        out.parameters.push_back(parameter);
        if (skip_op("=")) {
            out.defaults.push_back(expression());
        } else if (!out.defaults.empty()) {
            fail("non-default argument follows default argument");
        }
    }
    expect_op(")");
}

void Parser::signature_body(Signature& out, std::string_view end) {
    signatures_.push_back(&out);
    out.body = block_without_loop({end});
    signatures_.pop_back();
    const auto caller = std::ranges::find(out.parameters, static_cast<Symbol>(kCallerSymbol));
    const auto position = static_cast<size_t>(caller - out.parameters.begin());
    if (caller != out.parameters.end() && out.uses_caller && position < out.parameters.size() - out.defaults.size()) {
        fail(
            "When defining macros or call blocks the special \"caller\" argument must be omitted or be given a "
            "default.");
    }
}

std::unique_ptr<Stmt> Parser::parse_macro(uint32_t at) {
    auto node = std::make_unique<MacroStmt>(at);
    node->signature.name = expect_name();
    node->symbol = symbol(node->signature.name);
    signature(node->signature);
    signature_body(node->signature, "endmacro");
    return node;
}

std::unique_ptr<Stmt> Parser::parse_call(uint32_t at) {
    auto node = std::make_unique<CallBlockStmt>(at);
    const Token& begin = current();
    if (is_op("(")) {
        signature(node->signature);
    }
    ExprPtr called = expression();
    if (called->kind != ExprKind::kCall) {
        fail("expected call", begin);
    }
    node->call.reset(static_cast<CallExpr*>(called.release()));
    signature_body(node->signature, "endcall");
    return node;
}

std::unique_ptr<Stmt> Parser::parse_block(uint32_t at) {
    auto node = std::make_unique<ScopeStmt>(at);
    const std::string name = expect_name();
    node->from_root = !skip_name("scoped");
    skip_name("required");
    node->body = block_without_loop({"endblock"});
    skip_name(name);
    return node;
}

std::unique_ptr<Stmt> Parser::parse_generation(uint32_t at) {
    auto node = std::make_unique<ScopeStmt>(at);
    node->body = block_without_loop({"endgeneration"});
    return node;
}

std::unique_ptr<Stmt> Parser::parse_autoescape(uint32_t at) {
    auto node = std::make_unique<ScopeStmt>(at);
    node->must_be_false = expression();
    node->body = block({"endautoescape"});
    take();
    return node;
}

std::unique_ptr<Stmt> Parser::parse_print(uint32_t at) {
    auto node = std::make_unique<OutputStmt>(at);
    while (!is(TokenType::kBlockEnd)) {
        if (!node->items.empty()) {
            expect_op(",");
        }
        node->items.push_back(expression());
    }
    return node;
}

std::unique_ptr<Stmt> Parser::parse_loader_tag(uint32_t at, const std::string& tag) {
    // The tag fails when it is reached, so what follows its name matters only in that it is well formed.
    if (tag == "extends" || tag == "include" || tag == "import" || tag == "from") {
        expression();
    }
    while (!is(TokenType::kBlockEnd) && !is(TokenType::kEnd)) {
        take();
    }
    return std::make_unique<PlainStmt>(StmtKind::kLoaderTag, at);
}

std::unique_ptr<Stmt> Parser::parse_loop_control(uint32_t at, StmtKind kind) {
    if (loops_ == 0) {
        fail(kind == StmtKind::kBreak ? "'break' outside loop" : "'continue' not properly in loop");
    }
    return std::make_unique<PlainStmt>(kind, at);
}

Target Parser::target(bool with_namespace, bool store) {
    Target first = single_target(with_namespace, store);
    if (!is_op(",")) {
        return first;
    }
    Target all;
    all.kind = Target::Kind::kTuple;
    all.items.push_back(std::move(first));
    while (skip_op(",")) {
        if (is(TokenType::kBlockEnd) || is_op(")")) {
            break;
        }
        all.items.push_back(single_target(with_namespace, store));
    }
    return all;
}

Target Parser::single_target(bool with_namespace, bool store) {
    const Nesting nesting(*this);
    if (skip_op("(")) {
        Target inner = target(false, store);
        expect_op(")");
        return inner;
    }
    const Token& token = current();
    if (token.type != TokenType::kName) {
        fail("can't assign to '" + describe(token) + "'");
    }
    take();
    const std::string& name = token.text;
    for (const char* constant : {"true", "True", "false", "False", "none", "None"}) {
        if (name == constant) {
            fail("can't assign to 'const'", token);
        }
    }
    Target to;
    to.symbol = symbol(name);
    if (with_namespace && skip_op(".")) {
        to.kind = Target::Kind::kNamespace;
        to.attribute = expect_name();
    } else if (store && for_tags_ > 0 && to.symbol == kLoopSymbol) {
        fail("Can't assign to special loop variable in for-loop target", token);
    }
    return to;
}

}  // namespace gantry::text::jinja
