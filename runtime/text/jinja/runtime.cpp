#include "runtime/text/jinja/runtime.hpp"

#include <algorithm>

#include "runtime/text/jinja/objects.hpp"
#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

Value Runtime::text(std::string s, bool markup) {
    if (s.size() > kMaxTextBytes) {
        raise(ErrorKind::kLimit, "the template makes too long a text");
    }
    budget_.step_text(s.size());
    budget_.require(s.size());
    auto* object = new StrObject(std::move(s), markup);
    return adopt(Type::kStr, object, object->text.size());
}

Value Runtime::list(std::vector<Value> items) {
    auto* object = new ListObject(std::move(items));
    return adopt(Type::kList, object, object->items.size() * sizeof(Value));
}

Value Runtime::tuple(std::vector<Value> items) {
    auto* object = new ListObject(std::move(items));
    return adopt(Type::kTuple, object, object->items.size() * sizeof(Value));
}

Value Runtime::dict(Dict d) {
    auto* object = new DictObject(std::move(d));
    return adopt(Type::kDict, object, object->dict.size() * 2 * sizeof(Dict::Entry));
}

Params::Params(std::string_view function, const Args& args, std::initializer_list<std::string_view> names,
               size_t required)
    : found_(names.size(), nullptr) {
    const std::string who = std::string(function) + "()";
    if (args.positional.size() > names.size()) {
        raise_type(who + " takes at most " + std::to_string(names.size()) + " arguments (" +
                   std::to_string(args.positional.size()) + " given)");
    }
    for (size_t i = 0; i < args.positional.size(); ++i) {
        found_[i] = &args.positional[i];
    }
    for (const auto& [name, value] : args.named) {
        const auto it = std::ranges::find(names, name);
        if (it == names.end()) {
            raise_type(who + " got an unexpected keyword argument '" + name + "'");
        }
        auto& slot = found_[static_cast<size_t>(it - names.begin())];
        if (slot != nullptr) {
            raise_type(who + " got multiple values for argument '" + name + "'");
        }
        slot = &value;
    }
    for (size_t i = 0; i < required; ++i) {
        if (found_[i] == nullptr) {
            raise_type(who + " missing 1 required positional argument: '" + std::string(names.begin()[i]) + "'");
        }
    }
}

int64_t Params::index(size_t i, int64_t absent) const { return found_[i] == nullptr ? absent : to_index(*found_[i]); }

// --- walking ---------------------------------------------------------------------------------------------------------

namespace {

class SequenceIterator : public Iterator {
  public:
    explicit SequenceIterator(Value v) : value_(std::move(v)) {}
    bool next(Runtime& rt, Value& out) override {
        const auto& items = value_.items();
        if (at_ >= items.size()) {
            return false;
        }
        rt.step();
        out = items[at_++];
        return true;
    }

  private:
    Value value_;
    size_t at_ = 0;
};

class TextIterator : public Iterator {
  public:
    explicit TextIterator(Value v) : value_(std::move(v)) {}
    bool next(Runtime& rt, Value& out) override {
        const auto& s = value_.str();
        if (at_ >= s.size()) {
            return false;
        }
        const size_t begin = at_;
        utf8_next(s, at_);
        out = rt.text(s.substr(begin, at_ - begin), value_.is_markup());
        return true;
    }

  private:
    Value value_;
    size_t at_ = 0;
};

class DictIterator : public Iterator {
  public:
    DictIterator(Value v, ViewObject::Kind kind) : value_(std::move(v)), kind_(kind) {}
    bool next(Runtime& rt, Value& out) override {
        const auto& entries = value_.dict().dict.entries();
        if (at_ >= entries.size()) {
            return false;
        }
        rt.step();
        const auto& e = entries[at_++];
        out = kind_ == ViewObject::Kind::kKeys     ? e.key
              : kind_ == ViewObject::Kind::kValues ? e.value
                                                   : rt.tuple({e.key, e.value});
        return true;
    }

  private:
    Value value_;
    ViewObject::Kind kind_;
    size_t at_ = 0;
};

class RangeIterator : public Iterator {
  public:
    explicit RangeIterator(Value v) : value_(std::move(v)) {}
    bool next(Runtime& rt, Value& out) override {
        const auto& range = value_.get<RangeObject>();
        if (at_ >= range.size) {
            return false;
        }
        rt.step();
        out = Value::integer(range.at(at_++));
        return true;
    }

  private:
    Value value_;
    int64_t at_ = 0;
};

class GeneratorIterator : public Iterator {
  public:
    explicit GeneratorIterator(Value v) : value_(std::move(v)) {}
    bool next(Runtime& rt, Value& out) override {
        rt.step();
        return value_.get<GeneratorObject>().next(rt, out);
    }

  private:
    Value value_;
};

class EmptyIterator : public Iterator {
  public:
    bool next(Runtime&, Value&) override { return false; }
};

}  // namespace

std::unique_ptr<Iterator> iterate(Runtime& rt, const Value& v) {
    rt.step();
    switch (v.type()) {
        case Type::kList:
        case Type::kTuple:
            return std::make_unique<SequenceIterator>(v);
        case Type::kStr:
            return std::make_unique<TextIterator>(v);
        case Type::kDict:
            return std::make_unique<DictIterator>(v, ViewObject::Kind::kKeys);
        case Type::kView: {
            const auto& view = v.get<ViewObject>();
            return std::make_unique<DictIterator>(view.owner, view.kind);
        }
        case Type::kRange:
            return std::make_unique<RangeIterator>(v);
        case Type::kGenerator:
            return std::make_unique<GeneratorIterator>(v);
        case Type::kUndefined:
            return std::make_unique<EmptyIterator>();
        default:
            raise_type("'" + std::string(type_name(v)) + "' object is not iterable");
    }
}

std::vector<Value> collect(Runtime& rt, const Value& v) {
    if (v.is_sequence()) {
        rt.step(1 + v.items().size() / 16);
        return v.items();
    }
    std::vector<Value> out;
    const auto it = iterate(rt, v);
    Value item;
    while (it->next(rt, item)) {
        if (out.size() == out.capacity()) {
            rt.budget().require(out.size() * 2 * sizeof(Value));
        }
        out.push_back(item);
    }
    return out;
}

std::vector<Value> unpack(Runtime& rt, const Value& v, size_t count) {
    if (v.is_number() || v.is_none()) {
        raise_type("cannot unpack non-iterable " + std::string(type_name(v)) + " object");
    }
    std::vector<Value> out;
    const auto it = iterate(rt, v);
    Value item;
    while (it->next(rt, item)) {
        if (out.size() == count) {
            raise_value("too many values to unpack (expected " + std::to_string(count) + ")");
        }
        out.push_back(item);
    }
    if (out.size() < count) {
        raise_value("not enough values to unpack (expected " + std::to_string(count) + ", got " +
                    std::to_string(out.size()) + ")");
    }
    return out;
}

std::optional<size_t> length_of(const Value& v) {
    switch (v.type()) {
        case Type::kUndefined:
            return 0;
        case Type::kStr:
            return v.get<StrObject>().length;
        case Type::kList:
        case Type::kTuple:
            return v.items().size();
        case Type::kDict:
            return v.dict().dict.size();
        case Type::kRange:
            return static_cast<size_t>(v.get<RangeObject>().size);
        case Type::kView:
            return v.get<ViewObject>().owner.dict().dict.size();
        default:
            return std::nullopt;
    }
}

bool contains(Runtime& rt, const Value& container, const Value& item) {
    switch (container.type()) {
        case Type::kStr:
            if (!item.is_str()) {
                if (item.is_undefined()) {
                    raise_type("'in <string>' requires string as left operand, not Undefined");
                }
                raise_type("'in <string>' requires string as left operand, not " + std::string(type_name(item)));
            }
            rt.budget().step_text(container.str().size());
            return std::string_view(container.str()).find(item.str()) != std::string_view::npos;
        case Type::kDict:
            return container.dict().dict.find(rt.budget(), item) != nullptr;
        case Type::kView:
            if (container.get<ViewObject>().kind == ViewObject::Kind::kKeys) {
                return container.get<ViewObject>().owner.dict().dict.find(rt.budget(), item) != nullptr;
            }
            break;
        case Type::kNone:
        case Type::kBool:
        case Type::kInt:
        case Type::kFloat:
        case Type::kNamespace:
        case Type::kMacro:
        case Type::kFunction:
        case Type::kCycler:
        case Type::kJoiner:
            raise_type("argument of type '" + std::string(type_name(container)) + "' is not iterable");
        default:
            break;
    }
    const auto it = iterate(rt, container);
    Value other;
    while (it->next(rt, other)) {
        if (identical(other, item) || equals(rt.budget(), other, item)) {
            return true;
        }
    }
    return false;
}

// --- generators ------------------------------------------------------------------------------------------------------

GeneratorObject::GeneratorObject(Step s, uint32_t source_depth) : step_(std::move(s)) {
    if (source_depth >= kMaxValueDepth) {
        raise(ErrorKind::kRecursion, "maximum recursion depth exceeded: values are nested too deeply");
    }
    depth = source_depth + 1;
}

bool GeneratorObject::next(Runtime& rt, Value& out) {
    if (!step_) {
        return false;
    }
    if (running_) {
        raise_value("generator already executing");
    }
    const DepthGuard guard(rt.budget());
    struct Running {
        bool& flag;
        explicit Running(bool& f) : flag(f) { flag = true; }
        ~Running() { flag = false; }
    } running(running_);
    if (!step_(rt, out)) {
        step_ = nullptr;
        return false;
    }
    return true;
}

Value make_generator(Runtime& rt, const Value& source, const Args* captured,
                     std::function<bool(Runtime&, Iterator&, Value&)> step) {
    uint32_t depth = source.object() == nullptr ? 0 : source.object()->depth;
    if (captured != nullptr) {
        for (const auto& v : captured->positional) {
            depth = std::max(depth, v.object() == nullptr ? 0 : v.object()->depth);
        }
        for (const auto& [name, v] : captured->named) {
            depth = std::max(depth, v.object() == nullptr ? 0 : v.object()->depth);
        }
    }
    // Python looks at the source only when the generator is first asked for an item.
    auto lazy = [source, it = std::shared_ptr<Iterator>(), step = std::move(step)](Runtime& r, Value& out) mutable {
        if (it == nullptr) {
            it = iterate(r, source);
        }
        return step(r, *it, out);
    };
    return rt.adopt(Type::kGenerator, new GeneratorObject(std::move(lazy), depth), 256);
}

// --- loops -----------------------------------------------------------------------------------------------------------

bool LoopObject::peek(Runtime& rt) {
    if (!ahead_.empty()) {
        return true;
    }
    Value item;
    if (items_ == nullptr || !items_->next(rt, item)) {
        return false;
    }
    ahead_.push_back(std::move(item));
    return true;
}

bool LoopObject::advance(Runtime& rt, Value& item) {
    if (!peek(rt)) {
        return false;
    }
    before_ = std::move(current_);
    current_ = std::move(ahead_.front());
    ahead_.pop_front();
    ++index0_;
    item = current_;
    return true;
}

void LoopObject::finish() {
    finished_ = true;
    recurse = nullptr;
    const auto items = std::move(items_);
    const auto ahead = std::exchange(ahead_, {});
    const auto changed = std::exchange(last_changed_, std::nullopt);
    const Value before = std::exchange(before_, Value());
    const Value current = std::exchange(current_, Value());
}

size_t LoopObject::length(Runtime& rt) {
    if (!length_) {
        Value item;
        while (items_ != nullptr && items_->next(rt, item)) {
            rt.budget().require((ahead_.size() + 1) * sizeof(Value));
            ahead_.push_back(item);
        }
        length_ = index0_ + 1 + ahead_.size();
    }
    return *length_;
}

bool LoopObject::changed(Runtime& rt, std::vector<Value> values) {
    if (finished_) {
        return true;
    }
    bool same = last_changed_ && last_changed_->size() == values.size();
    for (size_t i = 0; same && i < values.size(); ++i) {
        same = identical(values[i], (*last_changed_)[i]) || equals(rt.budget(), values[i], (*last_changed_)[i]);
    }
    if (!same) {
        last_changed_ = std::move(values);
    }
    return !same;
}

std::optional<Value> LoopObject::attribute(Runtime& rt, const Value& self, std::string_view name) {
    const auto number = [](size_t n) { return Value::integer(static_cast<Int>(static_cast<int64_t>(n))); };
    if (name == "index") return number(index0_ + 1);
    if (name == "index0") return number(index0_);
    if (name == "first") return Value::boolean(index0_ == 0);
    if (name == "last") return Value::boolean(!peek(rt));
    if (name == "length") return number(length(rt));
    if (name == "revindex") return number(length(rt) - index0_);
    if (name == "revindex0") return number(length(rt) - index0_ - 1);
    if (name == "depth") return number(depth0_ + 1);
    if (name == "depth0") return number(depth0_);
    if (name == "previtem") {
        return index0_ == 0 ? Value::undefined("there is no previous item") : before_;
    }
    if (name == "nextitem") {
        return peek(rt) ? ahead_.front() : Value::undefined("there is no next item");
    }
    if (const Builtin method = find_method(Type::kLoop, name)) {
        return rt.adopt(Type::kFunction, new FunctionObject(std::string(name), method, self));
    }
    return std::nullopt;
}

}  // namespace gantry::text::jinja
