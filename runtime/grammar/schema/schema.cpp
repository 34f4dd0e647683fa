#include "runtime/grammar/schema/schema.hpp"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <deque>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>

#include "runtime/grammar/schema/document.hpp"
#include "runtime/grammar/schema/feasible.hpp"
#include "runtime/grammar/schema/reader.hpp"
#include "runtime/grammar/schema/schema_error.hpp"
#include "runtime/grammar/schema/translate.hpp"

namespace gantry::grammar {

namespace {

class Compiled : public CompiledSchema {
  public:
    Compiled(const boost::json::value& schema, const SchemaOptions& options)
        : document_(schema),
          translator_(document_, options.strict),
          languages_(options.max_pattern_states),
          numbers_(options.any_number_spelling),
          terms_(languages_, numbers_, {.max_terms = options.max_terms},
                 [this](uint32_t number) { return translator_.expand(number); }),
          feasible_(terms_) {
        translator_.set_terms(terms_);
        root_ = terms_.schema(document_.root_number());
        try {
            if (!feasible_.any(root_)) {
                throw SchemaError(blame());
            }
            visit_all();
        } catch (const SchemaError& error) {
            throw SchemaError(with_place(error.what()));
        }
    }

    Feasible& feasible() override { return feasible_; }
    Terms& terms() override { return terms_; }
    Expr root() override { return root_; }

  private:
    /// Works out every set of values that reading can come to, so that reading meets no errors any more.
    void visit_all() {
        std::unordered_set<Expr> known{root_};
        std::deque<Expr> todo{root_};
        const auto add = [&](Expr expr) {
            if (feasible_.any(expr) && known.insert(expr).second) {
                todo.push_back(expr);
            }
        };
        while (!todo.empty()) {
            const Expr expr = todo.front();
            todo.pop_front();
            for (const Atom atom : feasible_.atoms(expr)) {
                if (terms_.type(atom) == Type::kArray) {
                    visit_array(atom, add);
                } else if (terms_.type(atom) == Type::kObject) {
                    visit_object(atom, add);
                }
            }
        }
    }

    template <class Add>
    void visit_array(Atom atom, const Add& add) {
        std::set<ArrayState> seen{feasible_.start(atom)};
        std::deque<ArrayState> todo{feasible_.start(atom)};
        while (!todo.empty()) {
            const ArrayState state = todo.front();
            todo.pop_front();
            for (const auto& move : feasible_.moves(atom, state)) {
                add(move.item);
                // Behind the listed items only counts differ, and they bring no further kinds of items.
                const auto& rule = terms_.array(atom);
                if ((move.to.index <= rule.prefix.size() + 1 || !rule.contains.empty()) &&
                    seen.insert(move.to).second) {
                    if (seen.size() > kMaxArrayStates) {
                        throw SchemaError("maxItems or maxContains allows too many different arrays");
                    }
                    todo.push_back(move.to);
                }
            }
        }
    }

    template <class Add>
    void visit_object(Atom atom, const Add& add) {
        const ObjectPlan plan = feasible_.plan(atom);
        const auto add_all = [&](Expr value, uint32_t witness) {
            for (uint32_t met = witness;; met = (met - 1) & witness) {
                std::vector<Expr> parts{value};
                for (size_t i = 0; i < plan.some.size(); ++i) {
                    if ((met >> i & 1U) != 0) {
                        parts.push_back(plan.some[i]);
                    }
                }
                add(terms_.both(std::move(parts)));
                if (met == 0) {
                    return;
                }
            }
        };
        for (const auto& name : plan.names) {
            add_all(name.value, name.witness);
        }
        for (const auto& region : plan.regions) {
            add_all(region.value, region.witness);
        }
    }

    /// A message that begins with a keyword gets the place of that keyword, unless it has one.
    std::string with_place(const std::string& message) {
        const auto all = translator_.parts();
        for (const auto& [number, parts] : all) {
            for (const auto& [keyword, expr] : parts) {
                const auto quoted = fmt::format("\"{}\" ", keyword);
                if (message.starts_with(quoted) && !message.starts_with(quoted + "at ") &&
                    (keyword != "$ref" || circular(expr))) {
                    return fmt::format("\"{}\" at \"#{}\": {}", keyword,
                                       pointer_step(document_.source(number).pointer, keyword), message);
                }
            }
        }
        return message;
    }

    bool circular(Expr expr) {
        try {
            terms_.atoms(expr);
            return false;
        } catch (const CircularReference&) {
            return true;
        } catch (const SchemaError&) {
            return false;
        }
    }

    /// Of a schema that nothing matches: the innermost schema that is to blame, and its first keyword that leaves
    /// nothing.
    std::string blame() {
        std::string out = "the schema is impossible: no value can match it";
        const auto all = translator_.parts();  // a copy: asking may translate more
        for (const auto& [number, parts] : all) {
            const auto& source = document_.source(number);
            if (feasible_.any(terms_.schema(number)) || source.pointer.size() < deepest_) {
                continue;
            }
            deepest_ = source.pointer.size();
            std::vector<Expr> so_far;
            for (const auto& [keyword, expr] : parts) {
                so_far.push_back(expr);
                if (!feasible_.any(terms_.both(so_far))) {
                    out = fmt::format("\"{}\" at \"#{}\": with it no value can match", keyword,
                                      pointer_step(source.pointer, keyword));
                    break;
                }
            }
        }
        return out;
    }

    static constexpr size_t kMaxArrayStates = 20000;

    SchemaDocument document_;
    Translator translator_;
    Languages languages_;
    Numbers numbers_;
    Terms terms_;
    Feasible feasible_;
    Expr root_ = Terms::kNothing;
    size_t deepest_ = 0;
};

}  // namespace

Result<std::unique_ptr<Automaton>> json_schema_automaton(const boost::json::value& schema,
                                                         const SchemaOptions& options) {
    try {
        std::unique_ptr<CompiledSchema> compiled = std::make_unique<Compiled>(schema, options);
        return std::unique_ptr<Automaton>(std::make_unique<JsonReader>(std::move(compiled), options.any_whitespace));
    } catch (const SchemaError& error) {
        return Error(Code::kInvalidArgument, fmt::format("the JSON schema cannot be used: {}", error.what()),
                     "docs/structured-output.md lists what is supported");
    }
}

}  // namespace gantry::grammar
