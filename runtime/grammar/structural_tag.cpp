#include "runtime/grammar/structural_tag.hpp"

#include <spdlog/fmt/fmt.h>

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/grammar/composite.hpp"
#include "runtime/grammar/ebnf.hpp"
#include "runtime/grammar/regex.hpp"

namespace gantry::grammar {
namespace {

namespace json = boost::json;
using Node = Composite::Node;

constexpr int kMaxDepth = 32;
constexpr size_t kMaxTags = 1024;
constexpr size_t kMaxTextBytes = 1024;  ///< of a trigger, a begin or an end

/// A tag of either notation. `content` is a schema in the first and a format in the second.
struct Tag {
    std::string begin, end;
    const json::value* content = nullptr;
    std::string path;
};

class Reader {
  public:
    Reader(const SchemaCompiler& compile_schema, Composite& out) : compile_schema_(compile_schema), out_(out) {}

    Status run(const json::value& tags, Node from, Node to) {
        const json::object* object = object_of(tags, "structural_tag");
        if (object != nullptr && object->contains("format")) {
            format(object->at("format"), "format", from, to, 0);
        } else if (object != nullptr) {
            schemas_ = true;
            triggered(*object, "structures", "", from, to, 0);
        }
        return error_ ? Status(*error_) : ok();
    }

  private:
    void fail(std::string_view path, std::string_view what) {
        if (!error_) {
            error_ = Error{Code::kInvalidArgument, fmt::format("structural tag: {} {}", path, what)};
        }
    }
    /// Puts the place before what a part says of itself.
    void fail(std::string_view path, const Error& why) {
        if (!error_) {
            error_ = why.in(fmt::format("structural tag: {}", path));
        }
    }
    static std::string child(std::string_view path, std::string_view key) {
        return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
    }

    const json::object* object_of(const json::value& value, std::string_view path) {
        if (!value.is_object()) {
            fail(path, "must be an object");
        }
        return value.if_object();
    }
    const json::value* member(const json::object& object, std::string_view key, std::string_view path) {
        const json::value* found = object.if_contains(key);
        if (found == nullptr) {
            fail(child(path, key), "is missing");
        }
        return found;
    }
    std::string text(const json::object& object, std::string_view key, std::string_view path) {
        const json::value* found = member(object, key, path);
        if (found == nullptr) {
            return {};
        }
        if (!found->is_string() || found->get_string().size() > kMaxTextBytes) {
            fail(child(path, key), fmt::format("must be a text of at most {} bytes", kMaxTextBytes));
            return {};
        }
        return std::string(found->get_string());
    }
    const json::array* list(const json::object& object, std::string_view key, std::string_view path) {
        const json::value* found = member(object, key, path);
        const json::array* array = found == nullptr ? nullptr : found->if_array();
        if (found != nullptr && (array == nullptr || array->empty() || array->size() > kMaxTags)) {
            fail(child(path, key), fmt::format("must be a list of 1 to {} elements", kMaxTags));
            return nullptr;
        }
        return array;
    }
    bool flag(const json::object& object, std::string_view key, std::string_view path) {
        const json::value* found = object.if_contains(key);
        if (found != nullptr && !found->is_bool() && !found->is_null()) {
            fail(child(path, key), "must be true or false");
        }
        return found != nullptr && found->is_bool() && found->get_bool();
    }

    std::vector<std::string> triggers_of(const json::object& object, std::string_view path) {
        std::vector<std::string> out;
        const json::array* array = list(object, "triggers", path);
        for (size_t i = 0; array != nullptr && i < array->size(); ++i) {
            const json::string* trigger = (*array)[i].if_string();
            if (trigger == nullptr || trigger->empty() || trigger->size() > kMaxTextBytes) {
                fail(fmt::format("{}[{}]", child(path, "triggers"), i),
                     fmt::format("must be a text of 1 to {} bytes", kMaxTextBytes));
                return {};
            }
            out.emplace_back(*trigger);
        }
        return out;
    }

    std::optional<Tag> tag_of(const json::value& value, std::string path) {
        const json::object* object = object_of(value, path);
        if (object == nullptr) {
            return std::nullopt;
        }
        Tag tag;
        tag.begin = text(*object, "begin", path);
        tag.end = text(*object, "end", path);
        tag.content = member(*object, schemas_ ? "schema" : "content", path);
        tag.path = child(path, schemas_ ? "schema" : "content");
        return tag.content == nullptr || error_ ? std::nullopt : std::optional(std::move(tag));
    }

    /// Free text with tags in it.
    void triggered(const json::object& object, std::string_view tags_key, std::string_view path, Node from, Node to,
                   int depth) {
        const std::vector<std::string> triggers = triggers_of(object, path);
        const json::array* tags = list(object, tags_key, path);
        const bool at_least_one = flag(object, "at_least_one", path);
        const bool stop_after_first = flag(object, "stop_after_first", path);
        if (error_ || tags == nullptr) {
            return;
        }
        const Node after = out_.add_node();
        std::vector<Node> begun;
        for (size_t i = 0; i < triggers.size(); ++i) {
            begun.push_back(out_.add_node());
        }
        std::vector<bool> used(triggers.size());
        for (size_t i = 0; i < tags->size(); ++i) {
            const auto tag = tag_of((*tags)[i], fmt::format("{}[{}]", child(path, tags_key), i));
            bool triggered = false;
            for (size_t t = 0; tag && t < triggers.size(); ++t) {
                if (tag->begin.starts_with(triggers[t])) {
                    triggered = used[t] = true;
                    fill(*tag, tag->begin.substr(triggers[t].size()), begun[t], after, depth);
                }
            }
            if (tag && !triggered) {
                fail(fmt::format("{}[{}].begin", child(path, tags_key), i), "begins with none of the triggers");
            }
        }
        for (size_t t = 0; t < triggers.size(); ++t) {
            if (!used[t]) {
                fail(fmt::format("{}[{}]", child(path, "triggers"), t), "begins no tag");
            }
        }
        const std::string not_first = object.contains("not_first") ? text(object, "not_first", path) : std::string();
        out_.add_free_text(from, triggers, begun, {at_least_one ? nullptr : &to, not_first, true});
        if (stop_after_first) {
            out_.add_empty(after, to);
        } else {
            out_.add_free_text(after, triggers, begun, {&to, {}, true});
        }
    }

    /// Tags and nothing else but a text between each two.
    void separated(const json::object& object, const std::string& path, Node from, Node to, int depth) {
        const std::string separator = text(object, "separator", path);
        const json::array* tags = list(object, "tags", path);
        const Node begin = out_.add_node(), after = out_.add_node();
        for (size_t i = 0; tags != nullptr && i < tags->size(); ++i) {
            if (const auto tag = tag_of((*tags)[i], fmt::format("{}[{}]", child(path, "tags"), i))) {
                fill(*tag, tag->begin, begin, after, depth);
            }
        }
        out_.add_empty(from, begin);
        out_.add_empty(after, to);
        if (!flag(object, "at_least_one", path)) {
            out_.add_empty(from, to);
        }
        if (!flag(object, "stop_after_first", path)) {
            out_.add_text(after, separator, begin);
        }
    }

    /// The rest of a tag's beginning, its content and its end.
    void fill(const Tag& tag, std::string_view begin, Node from, Node to, int depth) {
        const Node opened = out_.add_node(), closing = out_.add_node();
        out_.add_text(from, begin, opened);
        const json::object* content = tag.content->if_object();
        if (!schemas_ && content != nullptr && content->contains("type") && content->at("type") == "any_text" &&
            !tag.end.empty()) {
            const std::vector<std::string> ends{tag.end};
            out_.add_free_text(opened, ends, std::vector<Node>{to}, {});
            return;
        }
        if (schemas_) {
            schema(*tag.content, tag.path, opened, closing);
        } else {
            format(*tag.content, tag.path, opened, closing, depth + 1);
        }
        out_.add_text(closing, tag.end, to);
    }

    void add(Result<std::unique_ptr<Automaton>> part, std::string_view path, Node from, Node to) {
        if (!part) {
            fail(path, part.error());
            return;
        }
        out_.add_automaton(from, std::move(*part), to);
    }

    void schema(const json::value& value, std::string_view path, Node from, Node to) {
        add(compile_schema_(value), path, from, to);
    }

    void format(const json::value& value, const std::string& path, Node from, Node to, int depth) {
        const json::object* object = object_of(value, path);
        if (object == nullptr || depth > kMaxDepth) {
            fail(path, "is nested too deeply");
            return;
        }
        const std::string type = text(*object, "type", path);
        if (type == "const_string") {
            out_.add_text(from, text(*object, "value", path), to);
        } else if (type == "json_schema") {
            if (const json::value* inner = member(*object, "json_schema", path)) {
                schema(*inner, child(path, "json_schema"), from, to);
            }
        } else if (type == "regex") {
            add(regex_automaton(long_text(*object, "pattern", path)), child(path, "pattern"), from, to);
        } else if (type == "grammar") {
            add(ebnf(long_text(*object, "grammar", path)), child(path, "grammar"), from, to);
        } else if (type == "any_text") {
            out_.add_free_text(from, {}, {}, {&to, {}, false});
        } else if (type == "sequence" || type == "or") {
            elements(*object, type == "or", path, from, to, depth);
        } else if (type == "tag") {
            if (const auto tag = tag_of(value, path)) {
                fill(*tag, tag->begin, from, to, depth);
            }
        } else if (type == "triggered_tags") {
            triggered(*object, "tags", path, from, to, depth);
        } else if (type == "tags_with_separator") {
            separated(*object, path, from, to, depth);
        } else {
            fail(child(path, "type"), fmt::format("is \"{}\", which is not supported", type));
        }
    }

    void elements(const json::object& object, bool choice, const std::string& path, Node from, Node to, int depth) {
        const json::array* array = list(object, "elements", path);
        Node at = from;
        for (size_t i = 0; array != nullptr && i < array->size(); ++i) {
            const Node next = choice || i + 1 == array->size() ? to : out_.add_node();
            format((*array)[i], fmt::format("{}.elements[{}]", path, i), at, next, depth + 1);
            at = choice ? from : next;
        }
    }

    std::string long_text(const json::object& object, std::string_view key, std::string_view path) {
        const json::value* found = member(object, key, path);
        if (found != nullptr && !found->is_string()) {
            fail(child(path, key), "must be a text");
        }
        return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
    }

    static Result<std::unique_ptr<Automaton>> ebnf(std::string_view text) {
        Rules rules;
        GANTRY_TRY(const RuleId root, parse_ebnf(rules, text));
        return rules_automaton(rules, root);
    }

    const SchemaCompiler& compile_schema_;
    Composite& out_;
    bool schemas_ = false;  ///< the first notation
    std::optional<Error> error_;
};

}  // namespace

Result<std::unique_ptr<Automaton>> structural_tag_automaton(const json::value& tags,
                                                            const SchemaCompiler& compile_schema) {
    Composite out;
    const Node start = out.add_node(), end = out.add_node();
    GANTRY_CHECK_OK(add_structural_tag(out, start, end, tags, compile_schema));
    return std::move(out).build(start, end);
}

Status add_structural_tag(Composite& out, Node from, Node to, const json::value& tags,
                          const SchemaCompiler& compile_schema) {
    return Reader(compile_schema, out).run(tags, from, to);
}

}  // namespace gantry::grammar
