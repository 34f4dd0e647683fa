#include "runtime/text/jinja/scopes.hpp"

#include <set>

namespace gantry::text::jinja {

namespace {

/// What is known of the names in one block and, through `parent`, around it.
struct Names {
    const Names* parent = nullptr;
    std::set<Symbol> known;   ///< read, assigned or declared here
    std::set<Symbol> stored;  ///< assigned here
    std::set<Symbol> unset;   ///< assigned here first, and unknown around

    bool knows(Symbol s) const { return known.contains(s) || (parent != nullptr && parent->knows(s)); }
    void read(Symbol s) {
        if (!knows(s)) {
            known.insert(s);
        }
    }
    void declare(Symbol s) {
        stored.insert(s);
        known.insert(s);
        unset.erase(s);
    }
    void store(Symbol s) {
        stored.insert(s);
        if (known.contains(s)) {
            return;
        }
        if (parent == nullptr || !parent->knows(s)) {
            unset.insert(s);
        }
        known.insert(s);
    }
};

/// Visits one block's own statements, but not the blocks inside, which are other blocks' business.
class Scan {
  public:
    explicit Scan(Names& names) : names_(&names) {}

    void read(const ExprPtr& expr) {
        if (expr != nullptr) {
            read(*expr);
        }
    }

    void assign(const Target& target) {
        switch (target.kind) {
            case Target::Kind::kName:
                names_->store(target.symbol);
                return;
            case Target::Kind::kNamespace:
                names_->read(target.symbol);
                return;
            case Target::Kind::kTuple:
                for (const auto& item : target.items) {
                    assign(item);
                }
        }
    }

    void declare(const Target& target) {
        if (target.kind == Target::Kind::kName) {
            names_->declare(target.symbol);
        }
        for (const auto& item : target.items) {
            declare(item);
        }
    }

    void statements(const Body& body) {
        for (const auto& stmt : body) {
            statement(*stmt);
        }
    }

  private:
    void read(const CallArgs& args) {
        for (const auto& a : args.positional) {
            read(a);
        }
        for (const auto& [name, a] : args.named) {
            read(a);
        }
        read(args.star);
        read(args.double_star);
    }

    void read(const Expr& expr) {
        switch (expr.kind) {
            case ExprKind::kConst:
            case ExprKind::kBuffer:
                return;
            case ExprKind::kName:
                names_->read(static_cast<const NameExpr&>(expr).symbol);
                return;
            case ExprKind::kTuple:
            case ExprKind::kList:
            case ExprKind::kDict:
            case ExprKind::kConcat:
                for (const auto& item : static_cast<const ItemsExpr&>(expr).items) {
                    read(item);
                }
                return;
            case ExprKind::kNot:
            case ExprKind::kNegative:
            case ExprKind::kPositive:
                read(static_cast<const UnaryExpr&>(expr).operand);
                return;
            case ExprKind::kArithmetic:
            case ExprKind::kAnd:
            case ExprKind::kOr: {
                const auto& node = static_cast<const BinaryExpr&>(expr);
                read(node.left);
                read(node.right);
                return;
            }
            case ExprKind::kCompare: {
                const auto& node = static_cast<const CompareExpr&>(expr);
                read(node.first);
                for (const auto& [op, operand] : node.rest) {
                    read(operand);
                }
                return;
            }
            case ExprKind::kCondition: {
                const auto& node = static_cast<const ConditionExpr&>(expr);
                read(node.test);
                read(node.then);
                read(node.otherwise);
                return;
            }
            case ExprKind::kAttribute:
                read(static_cast<const AttributeExpr&>(expr).object);
                return;
            case ExprKind::kItem: {
                const auto& node = static_cast<const ItemExpr&>(expr);
                read(node.object);
                read(node.key);
                return;
            }
            case ExprKind::kSlice: {
                const auto& node = static_cast<const SliceExpr&>(expr);
                for (const auto* part : {&node.object, &node.start, &node.stop, &node.step}) {
                    read(*part);
                }
                return;
            }
            case ExprKind::kCall: {
                const auto& node = static_cast<const CallExpr&>(expr);
                read(node.callee);
                read(node.args);
                return;
            }
            case ExprKind::kFilter: {
                const auto& node = static_cast<const FilterExpr&>(expr);
                read(node.object);
                read(node.args);
                return;
            }
            case ExprKind::kTest: {
                const auto& node = static_cast<const TestExpr&>(expr);
                read(node.object);
                read(node.args);
                return;
            }
        }
    }

    void statement(const Stmt& stmt) {
        switch (stmt.kind) {
            case StmtKind::kOutput:
                for (const auto& item : static_cast<const OutputStmt&>(stmt).items) {
                    read(item);
                }
                return;
            case StmtKind::kIf:
                branches(static_cast<const IfStmt&>(stmt));
                return;
            case StmtKind::kFor:
                read(static_cast<const ForStmt&>(stmt).items);
                return;
            case StmtKind::kSet: {
                const auto& node = static_cast<const SetStmt&>(stmt);
                read(node.value);
                assign(node.target);
                return;
            }
            case StmtKind::kSetBlock:
                assign(static_cast<const BufferStmt&>(stmt).target);
                return;
            case StmtKind::kFilterBlock:
                read(static_cast<const BufferStmt&>(stmt).filter);
                return;
            case StmtKind::kWith:
                for (const auto& [target, value] : static_cast<const WithStmt&>(stmt).values) {
                    read(value);
                }
                return;
            case StmtKind::kMacro:
                names_->store(static_cast<const MacroStmt&>(stmt).symbol);
                return;
            case StmtKind::kCallBlock:
                read(*static_cast<const CallBlockStmt&>(stmt).call);
                return;
            default:
                return;
        }
    }

    /// What only some branches assign is looked up like a name that is read.
    void branches(const IfStmt& stmt) {
        Names* const before = names_;
        std::vector<Names> after;
        const auto branch = [&](const Body& body) {
            after.push_back(*before);
            names_ = &after.back();
            statements(body);
        };
        read(stmt.branches.front().first);
        branch(stmt.branches.front().second);
        // jinja2 visits all further tests and bodies as one branch.
        after.push_back(*before);
        names_ = &after.back();
        for (size_t i = 1; i < stmt.branches.size(); ++i) {
            read(stmt.branches[i].first);
            statements(stmt.branches[i].second);
        }
        branch(stmt.otherwise);
        names_ = before;
        std::set<Symbol> unset = before->unset;
        for (const auto& names : after) {
            names_->known.insert(names.known.begin(), names.known.end());
            names_->stored.insert(names.stored.begin(), names.stored.end());
        }
        names_->unset = std::move(unset);
    }

    Names* names_;
};

/// Gives every block its `unset` list, from the outside in.
class Resolver {
  public:
    explicit Resolver(const std::vector<std::string>& symbols) : symbols_(symbols) {}

    void block(const Body& body, Names& names, Unset& unset) {
        Scan(names).statements(body);
        finish(body, names, unset);
    }

  private:
    void finish(const Body& body, const Names& names, Unset& unset) {
        for (const Symbol s : names.unset) {
            unset.emplace_back(s, Value::undefined("'" + symbols_[s] + "' is undefined"));
        }
        inner(body, names);
    }

    static Names within(const Names& parent) {
        Names names;
        names.parent = &parent;
        return names;
    }

    void signature(Signature& s, const Names& parent) {
        Names names = within(parent);
        for (const Symbol parameter : s.parameters) {
            names.declare(parameter);
        }
        for (const Symbol special : {kCallerSymbol, kVarargsSymbol, kKwargsSymbol}) {
            const bool used = special == kCallerSymbol    ? s.uses_caller
                              : special == kVarargsSymbol ? s.uses_varargs
                                                          : s.uses_kwargs;
            if (used) {
                names.declare(special);
            }
        }
        for (const auto& value : s.defaults) {
            Scan(names).read(value);
        }
        block(s.body, names, s.unset);
    }

    void inner(const Body& body, const Names& parent) {
        for (const auto& stmt : body) {
            switch (stmt->kind) {
                case StmtKind::kIf: {
                    auto& node = static_cast<IfStmt&>(*stmt);
                    for (const auto& [test, branch] : node.branches) {
                        inner(branch, parent);
                    }
                    inner(node.otherwise, parent);
                    break;
                }
                case StmtKind::kFor:
                    loop(static_cast<ForStmt&>(*stmt), parent);
                    break;
                case StmtKind::kSetBlock:
                case StmtKind::kFilterBlock: {
                    auto& node = static_cast<BufferStmt&>(*stmt);
                    Names names = within(parent);
                    block(node.body, names, node.unset);
                    break;
                }
                case StmtKind::kWith: {
                    auto& node = static_cast<WithStmt&>(*stmt);
                    Names names = within(parent);
                    for (const auto& [target, value] : node.values) {
                        Scan(names).declare(target);
                    }
                    block(node.body, names, node.unset);
                    break;
                }
                case StmtKind::kMacro:
                    signature(static_cast<MacroStmt&>(*stmt).signature, parent);
                    break;
                case StmtKind::kCallBlock:
                    signature(static_cast<CallBlockStmt&>(*stmt).signature, parent);
                    break;
                case StmtKind::kScope: {
                    auto& node = static_cast<ScopeStmt&>(*stmt);
                    Names names = node.from_root ? Names{} : within(parent);
                    block(node.body, names, node.unset);
                    break;
                }
                default:
                    break;
            }
        }
    }

    void loop(ForStmt& stmt, const Names& parent) {
        Names names = within(parent);
        names.declare(kLoopSymbol);
        Scan(names).declare(stmt.target);
        block(stmt.body, names, stmt.unset);
        Names otherwise = within(parent);
        block(stmt.otherwise, otherwise, stmt.otherwise_unset);
    }

    const std::vector<std::string>& symbols_;
};

}  // namespace

void find_unset_names(Template& tmpl) {
    Names names;
    Resolver(tmpl.names).block(tmpl.body, names, tmpl.unset);
}

}  // namespace gantry::text::jinja
