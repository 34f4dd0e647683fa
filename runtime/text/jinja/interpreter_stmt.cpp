#include <algorithm>

#include "runtime/text/jinja/interpreter.hpp"
#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

Value from_json(const boost::json::value& json) {
    namespace js = boost::json;
    struct Converter {
        static Value text(std::string_view s) { return Value::text(utf8_valid(s) ? std::string(s) : utf8_sanitize(s)); }
        static Value convert(const js::value& v, uint32_t depth) {
            if (depth > kMaxValueDepth) {
                raise(ErrorKind::kRecursion, "maximum recursion depth exceeded: a variable is nested too deeply");
            }
            switch (v.kind()) {
                case js::kind::bool_:
                    return Value::boolean(v.get_bool());
                case js::kind::int64:
                    return Value::integer(v.get_int64());
                case js::kind::uint64:
                    return Value::integer(static_cast<Int>(v.get_uint64()));
                case js::kind::double_:
                    return Value::real(v.get_double());
                case js::kind::string:
                    return text({v.get_string().data(), v.get_string().size()});
                case js::kind::array: {
                    std::vector<Value> items;
                    items.reserve(v.get_array().size());
                    for (const auto& item : v.get_array()) {
                        items.push_back(convert(item, depth + 1));
                    }
                    return Value::list(std::move(items));
                }
                case js::kind::object: {
                    Dict dict;
                    for (const auto& [key, value] : v.get_object()) {
                        const Value name = text({key.data(), key.size()});
                        dict.set(name.str(), convert(value, depth + 1));
                    }
                    return {Type::kDict, new DictObject(std::move(dict))};
                }
                default:
                    return {};
            }
        }
    };
    return Converter::convert(json, 0);
}

// --- scopes ----------------------------------------------------------------------------------------------------------

const Value* Scope::find(Symbol symbol) const {
    for (const auto& [name, value] : variables) {
        if (name == symbol) {
            return &value;
        }
    }
    return nullptr;
}

void Scope::set(Symbol symbol, Value value) {
    for (auto& [name, old] : variables) {
        if (name == symbol) {
            old = std::move(value);
            return;
        }
    }
    variables.emplace_back(symbol, std::move(value));
}

Scope& Interpreter::push_scope(Scope* parent) {
    if (free_scopes_.empty()) {
        budget().acquire(sizeof(Scope) + 128);
        scopes_.push_back(std::make_unique<Scope>());
        free_scopes_.push_back(scopes_.back().get());
    }
    Scope& scope = *free_scopes_.back();
    free_scopes_.pop_back();
    scope.parent = parent;
    return scope;
}

void Interpreter::pop_scope(Scope& scope) {
    if (!scope.captured) {
        scope.variables.clear();
        free_scopes_.push_back(&scope);
    }
}

/// A new innermost scope for as long as it lives.
class Interpreter::ScopeGuard {
  public:
    ScopeGuard(Interpreter& in, Scope* parent) : in_(in), old_(in.current_), scope_(in.push_scope(parent)) {
        in_.current_ = &scope_;
    }
    ~ScopeGuard() {
        in_.current_ = old_;
        in_.pop_scope(scope_);
    }
    ScopeGuard(const ScopeGuard&) = delete;
    ScopeGuard& operator=(const ScopeGuard&) = delete;

  private:
    Interpreter& in_;
    Scope* old_;
    Scope& scope_;
};

/// Output goes into `text` for as long as the guard lives.
class Interpreter::OutputGuard {
  public:
    explicit OutputGuard(Interpreter& in) : in_(in), old_(in.target_) { in_.target_ = &text; }
    ~OutputGuard() { in_.target_ = old_; }
    OutputGuard(const OutputGuard&) = delete;
    OutputGuard& operator=(const OutputGuard&) = delete;
    TextBuilder text;

  private:
    Interpreter& in_;
    TextBuilder* old_;
};

// --- the whole -------------------------------------------------------------------------------------------------------

Interpreter::Interpreter(const Template& tmpl, const boost::json::object& variables,
                         std::optional<std::chrono::sys_seconds> now)
    : Runtime(now),
      template_(tmpl),
      variables_(variables),
      context_(tmpl.names.size()),
      looked_up_(tmpl.names.size(), false) {}

Interpreter::~Interpreter() {
    // Values point at each other through namespaces only; emptied, they let go of everything.
    for (const auto& ns : namespaces_) {
        ns.get<NamespaceObject>().attributes.clear();
    }
    for (const auto& scope : scopes_) {
        scope->variables.clear();
    }
}

std::string Interpreter::run() {
    root_ = &push_scope(nullptr);
    current_ = root_;
    execute(template_.body);
    return out_.take();
}

Value Interpreter::make_namespace(Dict attributes) {
    auto* object = new NamespaceObject;
    Value v = adopt(Type::kNamespace, object, attributes.size() * 2 * sizeof(Dict::Entry));
    object->depth = 1;
    object->attributes = std::move(attributes);
    namespaces_.push_back(v);
    return v;
}

// --- statements ------------------------------------------------------------------------------------------------------

Interpreter::Flow Interpreter::execute(const Body& body) {
    for (const auto& stmt : body) {
        if (const Flow flow = execute(*stmt); flow != Flow::kNext) {
            return flow;
        }
    }
    return Flow::kNext;
}

Interpreter::Flow Interpreter::execute(const Stmt& stmt) {
    const DepthGuard guard(budget());
    step();
    try {
        return dispatch(stmt);
    } catch (RenderError& e) {
        e.line = e.line == 0 ? stmt.line : e.line;
        throw;
    }
}

Interpreter::Flow Interpreter::dispatch(const Stmt& stmt) {
    switch (stmt.kind) {
        case StmtKind::kOutput:
            output(static_cast<const OutputStmt&>(stmt));
            return Flow::kNext;
        case StmtKind::kIf:
            return branch(static_cast<const IfStmt&>(stmt));
        case StmtKind::kFor: {
            const auto& node = static_cast<const ForStmt&>(stmt);
            const Value over = evaluate(*node.items);
            if (node.recursive) {
                append_text(*this, *target_, recurse(node, *current_, over, 0));
                return Flow::kNext;
            }
            return loop(node, over, 0);
        }
        case StmtKind::kSet: {
            const auto& node = static_cast<const SetStmt&>(stmt);
            assign(node.target, evaluate(*node.value));
            return Flow::kNext;
        }
        case StmtKind::kSetBlock:
        case StmtKind::kFilterBlock:
            return buffered(static_cast<const BufferStmt&>(stmt));
        case StmtKind::kWith:
            return with(static_cast<const WithStmt&>(stmt));
        case StmtKind::kMacro: {
            const auto& node = static_cast<const MacroStmt&>(stmt);
            current_->set(node.symbol, make_macro(node.signature));
            return Flow::kNext;
        }
        case StmtKind::kCallBlock:
            call_block(static_cast<const CallBlockStmt&>(stmt));
            return Flow::kNext;
        case StmtKind::kScope:
            return scoped(static_cast<const ScopeStmt&>(stmt));
        case StmtKind::kBreak:
            return Flow::kBreak;
        case StmtKind::kContinue:
            return Flow::kContinue;
        case StmtKind::kLoaderTag:
            raise_type("no loader for this environment specified");
    }
    return Flow::kNext;
}

void Interpreter::output(const OutputStmt& stmt) {
    for (const auto& item : stmt.items) {
        append_text(*this, *target_, evaluate(*item));
    }
}

Interpreter::Flow Interpreter::branch(const IfStmt& stmt) {
    for (const auto& [test, body] : stmt.branches) {
        if (truthy(evaluate(*test))) {
            return execute(body);
        }
    }
    return execute(stmt.otherwise);
}

void Interpreter::assign(const Target& target, const Value& value) {
    switch (target.kind) {
        case Target::Kind::kName:
            current_->set(target.symbol, value);
            return;
        case Target::Kind::kNamespace: {
            const Value owner = name(target.symbol);
            if (!owner.is(Type::kNamespace)) {
                raise_type("cannot assign attribute on non-namespace object");
            }
            if (target.attribute.starts_with('_')) {
                raise(ErrorKind::kSecurity,
                      "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '" +
                          target.attribute + "'. Please rename the attribute.");
            }
            auto& ns = owner.get<NamespaceObject>();
            if (ns.attributes.find(target.attribute) == nullptr) {
                ns.charge(budget(), 2 * sizeof(Dict::Entry));
            }
            ns.attributes.set(target.attribute, value);
            return;
        }
        case Target::Kind::kTuple: {
            const auto values = unpack(*this, value, target.items.size());
            for (size_t i = 0; i < values.size(); ++i) {
                assign(target.items[i], values[i]);
            }
            return;
        }
    }
}

/// `for x in items if test`: the items that pass, found one at a time.
class Interpreter::FilteredItems : public Iterator {
  public:
    FilteredItems(Interpreter& in, const ForStmt& stmt, std::unique_ptr<Iterator> items)
        : in_(in), stmt_(stmt), items_(std::move(items)), outside_(in.current_) {}

    bool next(Runtime& rt, Value& out) override {
        const DepthGuard depth(rt.budget());
        while (items_->next(rt, out)) {
            const ScopeGuard scope(in_, outside_);
            in_.assign(stmt_.target, out);
            if (truthy(in_.evaluate(*stmt_.filter))) {
                return true;
            }
        }
        return false;
    }

  private:
    Interpreter& in_;
    const ForStmt& stmt_;
    std::unique_ptr<Iterator> items_;
    Scope* outside_;
};

Interpreter::Flow Interpreter::loop(const ForStmt& stmt, const Value& over, uint32_t depth0) {
    auto source = iterate(*this, over);
    auto length = length_of(over);
    if (stmt.filter != nullptr) {
        source = std::make_unique<FilteredItems>(*this, stmt, std::move(source));
        length.reset();
    }
    auto* object = new LoopObject(std::move(source), length, depth0);
    const Value self = adopt(Type::kLoop, object);
    struct Finish {
        LoopObject& loop;
        ~Finish() { loop.finish(); }
    } finish{*object};
    object->depth = 1;
    if (stmt.recursive) {
        object->recurse = [this, &stmt, outside = current_](const Value& inner, uint32_t depth) {
            return recurse(stmt, *outside, inner, depth);
        };
    }
    bool completed = false;
    if (const Flow flow = loop_body(stmt, self, completed); flow != Flow::kNext) {
        return flow;
    }
    if (!completed && !stmt.otherwise.empty()) {
        const ScopeGuard scope(*this, current_);
        return execute(stmt.otherwise);
    }
    return Flow::kNext;
}

/// Runs the iterations. `completed` tells whether one of them reached its end: like jinja2, the `else` part also runs
/// when a `break` or `continue` cut every iteration short.
Interpreter::Flow Interpreter::loop_body(const ForStmt& stmt, const Value& self, bool& completed) {
    auto& loop = self.get<LoopObject>();
    Scope* const outside = current_;
    Value item;
    while (loop.advance(*this, item)) {
        step();
        const ScopeGuard scope(*this, outside);
        current_->set(kLoopSymbol, self);
        assign(stmt.target, item);
        const Flow flow = execute(stmt.body);
        if (flow == Flow::kBreak) {
            break;
        }
        completed = completed || flow == Flow::kNext;
    }
    return Flow::kNext;
}

Value Interpreter::recurse(const ForStmt& stmt, Scope& outside, const Value& over, uint32_t depth0) {
    OutputGuard buffer(*this);
    const ScopeGuard scope(*this, &outside);
    loop(stmt, over, depth0);
    return text(buffer.text.take());
}

/// A block set or a filter block: what the body prints becomes a value.
Interpreter::Flow Interpreter::buffered(const BufferStmt& stmt) {
    Value result;
    {
        const ScopeGuard scope(*this, current_);
        OutputGuard buffer(*this);
        if (const Flow flow = execute(stmt.body); flow != Flow::kNext) {
            return flow;
        }
        result = text(buffer.text.take());
        if (stmt.filter != nullptr) {
            buffer_ = result;
            result = evaluate(*stmt.filter);
        }
    }
    if (stmt.kind == StmtKind::kSetBlock) {
        assign(stmt.target, result);
    } else {
        append_text(*this, *target_, result);
    }
    return Flow::kNext;
}

Interpreter::Flow Interpreter::with(const WithStmt& stmt) {
    std::vector<Value> values;
    for (const auto& [target, value] : stmt.values) {
        values.push_back(evaluate(*value));
    }
    const ScopeGuard scope(*this, current_);
    for (size_t i = 0; i < values.size(); ++i) {
        assign(stmt.values[i].first, values[i]);
    }
    return execute(stmt.body);
}

Interpreter::Flow Interpreter::scoped(const ScopeStmt& stmt) {
    if (stmt.must_be_false != nullptr && truthy(evaluate(*stmt.must_be_false))) {
        raise(ErrorKind::kUnsupported, "autoescape is not supported in chat templates");
    }
    const ScopeGuard scope(*this, stmt.from_root ? root_ : current_);
    return execute(stmt.body);
}

// --- macros ----------------------------------------------------------------------------------------------------------

Value Interpreter::make_macro(const Signature& signature) {
    for (Scope* s = current_; s != nullptr && !s->captured; s = s->parent) {
        s->captured = true;
    }
    Value macro = adopt(Type::kMacro, new MacroObject(signature, *current_));
    macro.object()->depth = 1;
    return macro;
}

std::optional<Value> Interpreter::macro_attribute(const Value& macro, std::string_view name) {
    const Signature& signature = macro.get<MacroObject>().signature;
    if (name == "name") {
        return signature.name.empty() ? Value() : text(signature.name);
    }
    if (name == "arguments") {
        std::vector<Value> names;
        for (const Symbol parameter : signature.parameters) {
            names.push_back(text(template_.names[parameter]));
        }
        return tuple(std::move(names));
    }
    if (name == "caller") {
        return Value::boolean(signature.uses_caller);
    }
    if (name == "catch_kwargs") {
        return Value::boolean(signature.uses_kwargs);
    }
    if (name == "catch_varargs") {
        return Value::boolean(signature.uses_varargs);
    }
    return std::nullopt;
}

void Interpreter::call_block(const CallBlockStmt& stmt) {
    const Value callee = evaluate(*stmt.call->callee);
    Args args = arguments(stmt.call->args);
    args.named.emplace_back("caller", make_macro(stmt.signature));
    append_text(*this, *target_, call(callee, args));
}

Value Interpreter::call_macro(const MacroObject& macro, Args& args) {
    const DepthGuard guard(budget());
    OutputGuard buffer(*this);
    const ScopeGuard scope(*this, &macro.closure);
    bind_parameters(macro, args);
    execute(macro.signature.body);
    return text(buffer.text.take());
}

void Interpreter::bind_parameters(const MacroObject& macro, Args& args) {
    const Signature& s = macro.signature;
    const auto take_named = [&](const std::string& key) -> std::optional<Value> {
        const auto it = std::ranges::find(args.named, key, &std::pair<std::string, Value>::first);
        if (it == args.named.end()) {
            return std::nullopt;
        }
        Value v = std::move(it->second);
        args.named.erase(it);
        return v;
    };
    const auto declared = [&](Symbol symbol) { return std::ranges::find(s.parameters, symbol) != s.parameters.end(); };
    const size_t count = s.parameters.size();
    std::vector<size_t> absent;
    for (size_t i = 0; i < count; ++i) {
        if (i < args.positional.size()) {
            current_->set(s.parameters[i], args.positional[i]);
        } else if (auto v = take_named(template_.names[s.parameters[i]])) {
            current_->set(s.parameters[i], *v);
        } else {
            absent.push_back(i);
        }
    }
    if (s.uses_caller && !declared(kCallerSymbol)) {
        auto caller = take_named("caller");
        const bool given = caller && !caller->is_none();
        current_->set(kCallerSymbol, given ? *caller : Value::undefined("No caller defined"));
    }
    if (s.uses_kwargs && !declared(kKwargsSymbol)) {
        Dict rest;
        for (auto& [key, value] : args.named) {
            rest.set(key, value);
        }
        current_->set(kKwargsSymbol, dict(std::move(rest)));
    } else if (!args.named.empty()) {
        raise_type("macro '" + s.name + "' takes no keyword argument '" + args.named.front().first + "'");
    }
    if (s.uses_varargs && !declared(kVarargsSymbol)) {
        std::vector<Value> rest;
        if (args.positional.size() > count) {
            rest.assign(args.positional.begin() + static_cast<ptrdiff_t>(count), args.positional.end());
        }
        current_->set(kVarargsSymbol, tuple(std::move(rest)));
    } else if (args.positional.size() > count) {
        raise_type("macro '" + s.name + "' takes not more than " + std::to_string(count) + " argument(s)");
    }
    // Until its turn comes, a parameter that a default refers to is what the macro's surroundings call by that name.
    for (const size_t i : absent) {
        const size_t required = count - s.defaults.size();
        current_->set(s.parameters[i],
                      i >= required
                          ? evaluate(*s.defaults[i - required])
                          : Value::undefined("parameter '" + template_.names[s.parameters[i]] + "' was not provided"));
    }
}

}  // namespace gantry::text::jinja
