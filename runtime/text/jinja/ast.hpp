#pragma once

/// The syntax tree. Built once by the parser, read by any number of interpreters.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/jinja/runtime.hpp"

namespace gantry::text::jinja {

using Symbol = uint32_t;  ///< index into Template::names

enum class ExprKind : uint8_t {
    kConst,
    kName,
    kBuffer,  ///< the text of the block that a filter block or block set filters
    kTuple,
    kList,
    kDict,
    kNot,
    kNegative,
    kPositive,
    kArithmetic,
    kAnd,
    kOr,
    kCompare,
    kConcat,
    kCondition,
    kAttribute,
    kItem,
    kSlice,
    kCall,
    kFilter,
    kTest,
};

struct Expr {
    explicit Expr(ExprKind k) : kind(k) {}
    virtual ~Expr() = default;
    const ExprKind kind;
    uint32_t height = 1;  ///< of the tree below; bounded, so that recursion over it is
};
using ExprPtr = std::unique_ptr<Expr>;

struct ConstExpr : Expr {
    explicit ConstExpr(Value v) : Expr(ExprKind::kConst), value(std::move(v)) {}
    Value value;
};

struct NameExpr : Expr {
    explicit NameExpr(Symbol s) : Expr(ExprKind::kName), symbol(s) {}
    Symbol symbol;
};

struct BufferExpr : Expr {
    BufferExpr() : Expr(ExprKind::kBuffer) {}
};

/// kTuple, kList, kConcat; kDict with keys and values in turn.
struct ItemsExpr : Expr {
    using Expr::Expr;
    std::vector<ExprPtr> items;
};

/// kNot, kNegative, kPositive.
struct UnaryExpr : Expr {
    using Expr::Expr;
    ExprPtr operand;
};

/// kArithmetic, kAnd, kOr.
struct BinaryExpr : Expr {
    using Expr::Expr;
    ArithmeticOp op = ArithmeticOp::kAdd;
    ExprPtr left, right;
};

enum class CompareOp : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

/// a < b <= c ...
struct CompareExpr : Expr {
    CompareExpr() : Expr(ExprKind::kCompare) {}
    ExprPtr first;
    std::vector<std::pair<CompareOp, ExprPtr>> rest;
};

/// `then if test else otherwise`; otherwise may be null.
struct ConditionExpr : Expr {
    ConditionExpr() : Expr(ExprKind::kCondition) {}
    ExprPtr test, then, otherwise;
    uint32_t line = 0;
};

struct AttributeExpr : Expr {
    AttributeExpr() : Expr(ExprKind::kAttribute) {}
    ExprPtr object;
    std::string name;
};

struct ItemExpr : Expr {
    ItemExpr() : Expr(ExprKind::kItem) {}
    ExprPtr object, key;
};

/// The bounds may be null.
struct SliceExpr : Expr {
    SliceExpr() : Expr(ExprKind::kSlice) {}
    ExprPtr object, start, stop, step;
};

struct CallArgs {
    std::vector<ExprPtr> positional;
    std::vector<std::pair<std::string, ExprPtr>> named;
    ExprPtr star, double_star;  ///< *args, **kwargs; may be null
};

struct CallExpr : Expr {
    CallExpr() : Expr(ExprKind::kCall) {}
    ExprPtr callee;
    CallArgs args;
};

/// A filter or test that does not exist is null: an error when it is reached.
struct FilterExpr : Expr {
    FilterExpr() : Expr(ExprKind::kFilter) {}
    ExprPtr object;
    std::string name;
    Builtin function = nullptr;
    CallArgs args;
};

struct TestExpr : Expr {
    TestExpr() : Expr(ExprKind::kTest) {}
    ExprPtr object;
    std::string name;
    TestFunction function = nullptr;
    CallArgs args;
};

/// What an assignment assigns to: a name, an attribute of a namespace, or several of them.
struct Target {
    enum class Kind : uint8_t { kName, kNamespace, kTuple } kind = Kind::kName;
    Symbol symbol = 0;
    std::string attribute;
    std::vector<Target> items;
};

enum class StmtKind : uint8_t {
    kOutput,
    kIf,
    kFor,
    kSet,
    kSetBlock,
    kWith,
    kMacro,
    kCallBlock,
    kFilterBlock,
    kScope,  ///< generation, block, autoescape: a body with variables of its own
    kBreak,
    kContinue,
    kLoaderTag,  ///< include, import, extends: there is nothing to load from
};

struct Stmt {
    Stmt(StmtKind k, uint32_t l) : kind(k), line(l) {}
    virtual ~Stmt() = default;
    const StmtKind kind;
    const uint32_t line;
};
using Body = std::vector<std::unique_ptr<Stmt>>;

struct OutputStmt : Stmt {
    explicit OutputStmt(uint32_t l) : Stmt(StmtKind::kOutput, l) {}
    std::vector<ExprPtr> items;
};

struct IfStmt : Stmt {
    explicit IfStmt(uint32_t l) : Stmt(StmtKind::kIf, l) {}
    std::vector<std::pair<ExprPtr, Body>> branches;
    Body otherwise;
};

struct ForStmt : Stmt {
    explicit ForStmt(uint32_t l) : Stmt(StmtKind::kFor, l) {}
    Target target;
    ExprPtr items;
    ExprPtr filter;  ///< may be null
    bool recursive = false;
    Body body, otherwise;
};

struct SetStmt : Stmt {
    explicit SetStmt(uint32_t l) : Stmt(StmtKind::kSet, l) {}
    Target target;
    ExprPtr value;
};

/// kSetBlock (with a target) and kFilterBlock.
struct BufferStmt : Stmt {
    using Stmt::Stmt;
    Target target;
    ExprPtr filter;  ///< over a BufferExpr; null when a block set has no filter
    Body body;
};

struct WithStmt : Stmt {
    explicit WithStmt(uint32_t l) : Stmt(StmtKind::kWith, l) {}
    std::vector<std::pair<Target, ExprPtr>> values;
    Body body;
};

/// What a macro and the body of a call block share.
struct Signature {
    std::string name;
    std::vector<Symbol> parameters;
    std::vector<ExprPtr> defaults;  ///< of the last parameters
    bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
    Body body;
};

struct MacroStmt : Stmt {
    explicit MacroStmt(uint32_t l) : Stmt(StmtKind::kMacro, l) {}
    Symbol symbol = 0;
    Signature signature;
};

struct CallBlockStmt : Stmt {
    explicit CallBlockStmt(uint32_t l) : Stmt(StmtKind::kCallBlock, l) {}
    std::unique_ptr<CallExpr> call;
    Signature signature;
};

struct ScopeStmt : Stmt {
    explicit ScopeStmt(uint32_t l) : Stmt(StmtKind::kScope, l) {}
    bool from_root = false;  ///< `block` sees only the template's outermost variables
    ExprPtr must_be_false;   ///< autoescape's argument; null elsewhere
    Body body;
};

struct PlainStmt : Stmt {
    using Stmt::Stmt;
};

/// The symbols that every template knows.
enum KnownSymbol : Symbol { kLoopSymbol, kCallerSymbol, kVarargsSymbol, kKwargsSymbol };

struct Template {
    std::vector<std::string> names;
    Body body;
};

}  // namespace gantry::text::jinja
