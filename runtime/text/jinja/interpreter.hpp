#pragma once

/// Walks the syntax tree of one template with one set of variables.

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "runtime/text/jinja/ast.hpp"
#include "runtime/text/jinja/objects.hpp"

namespace gantry::text::jinja {

/// JSON as template values. Not counted against a budget: the caller has it in memory already.
Value from_json(const boost::json::value& json);

/// The variables of one block of the template.
struct Scope {
    Scope* parent = nullptr;
    std::vector<std::pair<Symbol, Value>> variables;
    bool captured = false;  ///< a macro refers to it, so it lives until the rendering ends

    const Value* find(Symbol symbol) const;
    void set(Symbol symbol, Value value);
};

/// A macro, or the body of a call block.
struct MacroObject : Object {
    MacroObject(const Signature& s, Scope& c) : signature(s), closure(c) {}
    const Signature& signature;
    Scope& closure;
};

class Interpreter : public Runtime {
  public:
    /// The template and the variables must outlive the interpreter.
    Interpreter(const Template& tmpl, const boost::json::object& variables,
                std::optional<std::chrono::sys_seconds> now);
    ~Interpreter() override;

    /// Renders once. Throws RenderError.
    std::string run();

    Value call(const Value& callee, Args& args) override;
    Value make_namespace(Dict attributes) override;
    std::optional<Value> macro_attribute(const Value& macro, std::string_view name) override;

  private:
    enum class Flow : uint8_t { kNext, kBreak, kContinue };
    class ScopeGuard;
    class OutputGuard;
    class FilteredItems;
    friend class FilteredItems;

    Flow execute(const Body& body);
    Flow execute(const Stmt& stmt);
    Flow dispatch(const Stmt& stmt);
    void output(const OutputStmt& stmt);
    Flow branch(const IfStmt& stmt);
    Flow loop(const ForStmt& stmt, const Value& items, uint32_t depth0);
    Flow loop_body(const ForStmt& stmt, const Value& self, bool& completed);
    Value recurse(const ForStmt& stmt, Scope& outside, const Value& items, uint32_t depth0);
    Flow buffered(const BufferStmt& stmt);
    Flow with(const WithStmt& stmt);
    Flow scoped(const ScopeStmt& stmt);
    void call_block(const CallBlockStmt& stmt);
    Value make_macro(const Signature& signature);
    Value call_macro(const MacroObject& macro, Args& args);
    void bind_parameters(const MacroObject& macro, Args& args);
    void assign(const Target& target, const Value& value);

    Value evaluate(const Expr& expr);
    Value name(Symbol symbol);
    const Value* context(Symbol symbol);
    Value items(const ItemsExpr& expr);
    Value dictionary(const ItemsExpr& expr);
    Value concatenation(const ItemsExpr& expr);
    Value comparison(const CompareExpr& expr);
    bool compare(CompareOp op, const Value& a, const Value& b);
    Value condition(const ConditionExpr& expr);
    Value arithmetic_of(const BinaryExpr& expr);
    Value slice(const SliceExpr& expr);
    Value call_of(const CallExpr& expr);
    Value filtered(const FilterExpr& expr);
    Value tested(const TestExpr& expr);
    Args arguments(const CallArgs& args);
    Value optional(const ExprPtr& expr) { return expr == nullptr ? Value() : evaluate(*expr); }

    Scope& push_scope(Scope* parent);
    void pop_scope(Scope& scope);

    const Template& template_;
    const boost::json::object& variables_;
    std::vector<std::optional<Value>> context_;  ///< by symbol, converted at first use
    std::vector<bool> looked_up_;
    TextBuilder out_;
    TextBuilder* target_ = &out_;
    Value buffer_;  ///< what BufferExpr stands for
    std::vector<std::unique_ptr<Scope>> scopes_;
    std::vector<Scope*> free_scopes_;
    Scope* current_ = nullptr;
    Scope* root_ = nullptr;
    std::vector<Value> namespaces_;
};

}  // namespace gantry::text::jinja
