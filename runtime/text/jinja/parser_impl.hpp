#pragma once

/// The recursive-descent parser. parser_expr.cpp holds expressions, parser_stmt.cpp statements. The grammar is that of
/// jinja2's parser, with its quirks: `not` binds looser than comparison, unary minus takes no filter, ...

#include <algorithm>
#include <initializer_list>
#include <unordered_map>

#include "runtime/text/jinja/ast.hpp"
#include "runtime/text/jinja/lexer.hpp"

namespace gantry::text::jinja {

class Parser {
  public:
    explicit Parser(std::string_view source);
    Template run();

  private:
    static constexpr uint32_t kMaxNesting = 100;  ///< parentheses, and tags in tags
    static constexpr uint32_t kMaxHeight = 300;   ///< of one expression's tree

    /// One level of recursion.
    class Nesting {
      public:
        explicit Nesting(Parser& parser);
        ~Nesting() { --parser_.nesting_; }
        Nesting(const Nesting&) = delete;
        Nesting& operator=(const Nesting&) = delete;

      private:
        Parser& parser_;
    };

    /// Sets a member for the time of a scope.
    template <class T>
    class Restore {
      public:
        Restore(T& member, T value) : member_(member), old_(std::exchange(member, value)) {}
        ~Restore() { member_ = old_; }
        Restore(const Restore&) = delete;
        Restore& operator=(const Restore&) = delete;

      private:
        T& member_;
        T old_;
    };

    // tokens
    const Token& current() const { return tokens_[at_]; }
    const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
    const Token& take();
    bool is(TokenType type) const { return current().type == type; }
    bool is_name(std::string_view name) const { return is(TokenType::kName) && current().text == name; }
    bool is_op(std::string_view op) const { return is(TokenType::kOperator) && current().text == op; }
    bool skip_name(std::string_view name);
    bool skip_op(std::string_view op);
    void expect_op(std::string_view op);
    void expect(TokenType type, std::string_view words);
    std::string expect_name();
    uint32_t line() const { return current().line; }
    [[noreturn]] void fail(std::string message) const { fail(std::move(message), current()); }
    [[noreturn]] void fail(std::string message, const Token& token) const;
    static std::string describe(const Token& token);

    Symbol symbol(const std::string& name);
    /// Notes the child's height in its parent.
    void adopt(Expr& parent, const ExprPtr& child);
    void adopt(Expr& parent, const CallArgs& args);

    // expressions
    ExprPtr expression(bool with_condition = true);
    ExprPtr condition();
    ExprPtr logic_or();
    ExprPtr logic_and();
    ExprPtr logic_not();
    ExprPtr comparison();
    bool comparison_operator(CompareOp& op);
    ExprPtr sum();
    ExprPtr concat();
    ExprPtr product();
    ExprPtr power();
    ExprPtr unary(bool with_filter = true);
    ExprPtr primary();
    ExprPtr name_or_constant();
    ExprPtr list();
    ExprPtr dict();
    ExprPtr tuple(bool with_condition, bool parenthesized);
    ExprPtr postfix(ExprPtr node);
    ExprPtr filters_and_tests(ExprPtr node);
    ExprPtr subscript(ExprPtr node);
    ExprPtr bracketed(ExprPtr node);
    ExprPtr call(ExprPtr callee);
    CallArgs call_args();
    ExprPtr filter(ExprPtr object);
    ExprPtr test(ExprPtr object);
    ExprPtr binary(ExprKind kind, ArithmeticOp op, ExprPtr left, ExprPtr right);
    std::string dotted_name();
    /// A filter or test that does not exist is an error now, unless a condition guards it: then only when reached.
    void note_unknown(std::string message, const Token& token);

    // statements
    Body statements(std::initializer_list<std::string_view> ends);
    Body block(std::initializer_list<std::string_view> ends);
    Body block_without_loop(std::initializer_list<std::string_view> ends);
    std::unique_ptr<Stmt> statement();
    std::unique_ptr<Stmt> parse_if(uint32_t line);
    std::unique_ptr<Stmt> parse_for(uint32_t line);
    std::unique_ptr<Stmt> parse_set(uint32_t line);
    std::unique_ptr<Stmt> parse_with(uint32_t line);
    std::unique_ptr<Stmt> parse_macro(uint32_t line);
    std::unique_ptr<Stmt> parse_call(uint32_t line);
    std::unique_ptr<Stmt> parse_filter(uint32_t line);
    std::unique_ptr<Stmt> parse_block(uint32_t line);
    std::unique_ptr<Stmt> parse_generation(uint32_t line);
    std::unique_ptr<Stmt> parse_autoescape(uint32_t line);
    std::unique_ptr<Stmt> parse_print(uint32_t line);
    std::unique_ptr<Stmt> parse_loader_tag(uint32_t line, const std::string& tag);
    std::unique_ptr<Stmt> parse_loop_control(uint32_t line, StmtKind kind);
    void signature(Signature& out);
    void signature_body(Signature& out, std::string_view end);
    Target target(bool with_namespace, bool store = true);
    Target single_target(bool with_namespace, bool store);
    [[noreturn]] void fail_unknown_tag(const Token& token, bool end_of_template);

    std::string_view source_;
    std::vector<Token> tokens_;
    size_t at_ = 0;
    uint32_t nesting_ = 0;
    uint32_t loops_ = 0;                  ///< loops that a `break` here could leave
    uint32_t for_tags_ = 0;               ///< open for tags, where `loop` cannot be assigned
    bool soft_ = false;                   ///< in an `if`, which guards unknown filters
    std::vector<SyntaxError> unknown_;    ///< unguarded unknown filters and tests
    std::vector<Signature*> signatures_;  ///< open macros, whose bodies may use caller, varargs, kwargs
    std::vector<std::string> open_tags_;
    std::vector<std::vector<std::string>> awaited_;
    std::unordered_map<std::string, Symbol> symbols_;
    Template template_;
};

}  // namespace gantry::text::jinja
