/// Filters over lists, dicts and other things that can be walked.

#include <algorithm>
#include <array>

#include "runtime/text/jinja/builtins.hpp"
#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

AttributePath::AttributePath(Runtime& rt, const Value* attribute) {
    if (attribute == nullptr || attribute->is_none()) {
        return;
    }
    if (!attribute->is_str()) {
        parts_.push_back(*attribute);
        return;
    }
    const std::string_view path = attribute->str();
    for (size_t begin = 0; begin <= path.size();) {
        const size_t end = std::min(path.find('.', begin), path.size());
        const std::string_view part = path.substr(begin, end - begin);
        const bool number = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
        parts_.push_back(number ? Value::integer(*parse_int(part)) : rt.text(std::string(part)));
        begin = end + 1;
    }
}

Value AttributePath::operator()(Runtime& rt, Value item, const Value* fallback) const {
    for (const auto& part : parts_) {
        item = get_item(rt, item, part);
        if (fallback != nullptr && !fallback->is_none() && item.is_undefined()) {
            item = *fallback;
        }
    }
    return item;
}

Value ignore_case(Runtime& rt, const Value& v) { return v.is_str() ? rt.text(to_lower(v.str())) : v; }

namespace {

struct Keyed {
    Value key;
    Value item;
};

/// Stable, like Python's; `reverse` keeps the order of equal items too.
void sort_keyed(Runtime& rt, std::vector<Keyed>& items, bool reverse) {
    if (reverse) {
        std::ranges::stable_sort(items,
                                 [&](const Keyed& a, const Keyed& b) { return less(rt.budget(), b.key, a.key); });
    } else {
        std::ranges::stable_sort(items,
                                 [&](const Keyed& a, const Keyed& b) { return less(rt.budget(), a.key, b.key); });
    }
}

std::vector<Value> items_of(std::vector<Keyed> keyed) {
    std::vector<Value> out;
    out.reserve(keyed.size());
    for (auto& k : keyed) {
        out.push_back(std::move(k.item));
    }
    return out;
}

Value length(Runtime&, const Value& self, Args& args) {
    const Params params("len", args, {}, 0);
    const auto n = length_of(self);
    if (!n) {
        raise_type("object of type '" + std::string(type_name(self)) + "' has no len()");
    }
    return Value::integer(static_cast<Int>(*n));
}

Value list(Runtime& rt, const Value& self, Args& args) {
    const Params params("list", args, {}, 0);
    return rt.list(collect(rt, self));
}

Value first(Runtime& rt, const Value& self, Args& args) {
    const Params params("first", args, {}, 0);
    Value item;
    return iterate(rt, self)->next(rt, item) ? item : Value::undefined("No first item, sequence was empty.");
}

Value last(Runtime& rt, const Value& self, Args& args) {
    const Params params("last", args, {}, 0);
    if (self.is(Type::kGenerator)) {
        raise_type("'generator' object is not reversible");
    }
    if (self.is_undefined()) {
        return Value::undefined("No last item, sequence was empty.");
    }
    if (self.is_str() || self.is_sequence() || self.is(Type::kRange)) {
        return *length_of(self) == 0 ? Value::undefined("No last item, sequence was empty.")
                                     : get_item(rt, self, Value::integer(-1));
    }
    if (!length_of(self)) {
        raise_type("'" + std::string(type_name(self)) + "' object is not reversible");
    }
    const auto items = collect(rt, self);
    return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

/// A generator over items that are known already.
Value generator_of(Runtime& rt, std::vector<Value> items) {
    return make_generator(rt, rt.list(std::move(items)), nullptr,
                          [](Runtime& r, Iterator& it, Value& out) { return it.next(r, out); });
}

Value reverse(Runtime& rt, const Value& self, Args& args) {
    const Params params("reverse", args, {}, 0);
    if (self.is_str()) {
        return get_slice(rt, self, Value(), Value(), Value::integer(-1));
    }
    if (self.is_number() || self.is_none()) {
        raise_type("argument must be iterable");
    }
    auto items = collect(rt, self);
    std::ranges::reverse(items);
    return self.is(Type::kGenerator) ? rt.list(std::move(items)) : generator_of(rt, std::move(items));
}

Value join(Runtime& rt, const Value& self, Args& args) {
    const Params params("join", args, {"d", "attribute"}, 0);
    const std::string glue = params[0] == nullptr ? "" : to_text(rt, *params[0]);
    const AttributePath path(rt, params[1]);
    TextBuilder out;
    const auto it = iterate(rt, self);
    Value item;
    for (bool first_item = true; it->next(rt, item); first_item = false) {
        out.add(first_item ? "" : glue);
        append_text(rt, out, path(rt, item));
    }
    return rt.text(out.take());
}

/// `attribute` may name several, with commas; the key is the list of them.
Value sort(Runtime& rt, const Value& self, Args& args) {
    const Params params("sort", args, {"reverse", "case_sensitive", "attribute"}, 0);
    std::vector<AttributePath> paths;
    const Value* attribute = params.given(2);
    if (attribute != nullptr && attribute->is_str()) {
        const std::string_view all = attribute->str();
        for (size_t begin = 0; begin <= all.size();) {
            const size_t end = std::min(all.find(',', begin), all.size());
            const Value one = rt.text(std::string(all.substr(begin, end - begin)));
            paths.emplace_back(rt, &one);
            begin = end + 1;
        }
    } else {
        paths.emplace_back(rt, attribute);
    }
    std::vector<Keyed> keyed;
    for (auto& item : collect(rt, self)) {
        std::vector<Value> key;
        for (const auto& path : paths) {
            const Value part = path(rt, item);
            key.push_back(params.flag(1, false) ? part : ignore_case(rt, part));
        }
        keyed.push_back({rt.list(std::move(key)), std::move(item)});
    }
    sort_keyed(rt, keyed, params.flag(0, false));
    return rt.list(items_of(std::move(keyed)));
}

Value dictsort(Runtime& rt, const Value& self, Args& args) {
    const Params params("dictsort", args, {"case_sensitive", "by", "reverse"}, 0);
    const std::string by = params[1] == nullptr ? "key" : to_text(rt, *params[1]);
    if (by != "key" && by != "value") {
        raise_value("You can only sort by either \"key\" or \"value\"");
    }
    if (!self.is(Type::kDict)) {
        if (self.is_undefined()) {
            raise_undefined(self);
        }
        raise_type(words({"'", type_name(self), "' object has no attribute 'items'"}));
    }
    std::vector<Keyed> keyed;
    for (const auto& e : self.dict().dict.entries()) {
        const Value& key = by == "key" ? e.key : e.value;
        keyed.push_back({params.flag(0, false) ? key : ignore_case(rt, key), rt.tuple({e.key, e.value})});
    }
    sort_keyed(rt, keyed, params.flag(2, false));
    return rt.list(items_of(std::move(keyed)));
}

Value items(Runtime& rt, const Value& self, Args& args) {
    const Params params("items", args, {}, 0);
    if (self.is_undefined()) {
        return generator_of(rt, {});
    }
    if (!self.is(Type::kDict)) {
        // Python's generator fails at its first item; nobody makes it without walking it.
        raise_type("Can only get item pairs from a mapping.");
    }
    return make_generator(rt, rt.adopt(Type::kView, new ViewObject(ViewObject::Kind::kItems, self)), nullptr,
                          [](Runtime& r, Iterator& it, Value& out) { return it.next(r, out); });
}

Value extreme(Runtime& rt, const Value& self, Args& args, bool largest) {
    const Params params(largest ? "max" : "min", args, {"case_sensitive", "attribute"}, 0);
    const AttributePath path(rt, params[1]);
    const auto it = iterate(rt, self);
    Value item;
    if (!it->next(rt, item)) {
        return Value::undefined("No aggregated item, sequence was empty.");
    }
    const auto key_of = [&](const Value& v) {
        const Value key = path(rt, v);
        return params.flag(0, false) ? key : ignore_case(rt, key);
    };
    Value best = item;
    Value best_key = key_of(item);
    while (it->next(rt, item)) {
        const Value key = key_of(item);
        if (largest ? less(rt.budget(), best_key, key, ">", true) : less(rt.budget(), key, best_key)) {
            best = item;
            best_key = key;
        }
    }
    return best;
}

Value max(Runtime& rt, const Value& self, Args& args) { return extreme(rt, self, args, true); }
Value min(Runtime& rt, const Value& self, Args& args) { return extreme(rt, self, args, false); }

Value sum(Runtime& rt, const Value& self, Args& args) {
    const Params params("sum", args, {"attribute", "start"}, 0);
    const AttributePath path(rt, params[0]);
    Value total = params[1] == nullptr ? Value::integer(0) : *params[1];
    if (total.is_str()) {
        raise_type("sum() can't sum strings [use ''.join(seq) instead]");
    }
    const auto it = iterate(rt, self);
    Value item;
    while (it->next(rt, item)) {
        total = binary(rt, ArithmeticOp::kAdd, total, path(rt, item));
    }
    return total;
}

Value unique(Runtime& rt, const Value& self, Args& args) {
    const Params params("unique", args, {"case_sensitive", "attribute"}, 0);
    const AttributePath path(rt, params[1]);
    const bool case_sensitive = params.flag(0, false);
    auto seen = std::make_shared<Dict>();
    return make_generator(rt, self, &args, [=](Runtime& r, Iterator& it, Value& out) {
        while (it.next(r, out)) {
            const Value part = path(r, out);
            const Value key = case_sensitive ? part : ignore_case(r, part);
            if (seen->find(r.budget(), key) == nullptr) {
                r.step();
                seen->set(r.budget(), key, Value());
                return true;
            }
        }
        return false;
    });
}

Value batch(Runtime& rt, const Value& self, Args& args) {
    const Params params("batch", args, {"linecount", "fill_with"}, 1);
    const int64_t size = to_index(*params[0]);
    const Value fill = params[1] == nullptr ? Value() : *params[1];
    auto ahead = std::make_shared<std::optional<Value>>();
    return make_generator(rt, self, &args, [=](Runtime& r, Iterator& it, Value& out) {
        std::vector<Value> row;
        if (ahead->has_value()) {
            row.push_back(std::move(**ahead));
            ahead->reset();
        }
        Value item;
        while (it.next(r, item)) {
            if (static_cast<int64_t>(row.size()) == size) {
                *ahead = item;
                out = r.list(std::move(row));
                return true;
            }
            r.budget().require((row.size() + 1) * sizeof(Value));
            row.push_back(item);
        }
        if (row.empty()) {
            return false;
        }
        if (!fill.is_none() && static_cast<int64_t>(row.size()) < size) {
            if (size > static_cast<int64_t>(kMaxLiveBytes / sizeof(Value))) {
                raise(ErrorKind::kLimit, "the template needs too much memory");
            }
            r.step(static_cast<uint64_t>(size));
            r.budget().require(static_cast<size_t>(size) * sizeof(Value));
            row.resize(static_cast<size_t>(size), fill);
        }
        out = r.list(std::move(row));
        return true;
    });
}

Value slice(Runtime& rt, const Value& self, Args& args) {
    const Params params("slice", args, {"slices", "fill_with"}, 1);
    const int64_t slices = to_index(*params[0]);
    if (slices == 0) {
        raise(ErrorKind::kZeroDivision, "integer division or modulo by zero");
    }
    const auto seq = collect(rt, self);
    std::vector<Value> rows;
    if (slices > 0) {
        rt.step(static_cast<uint64_t>(slices));
        const auto count = static_cast<size_t>(slices);
        const size_t per = seq.size() / count;
        const size_t extra = seq.size() % count;
        size_t begin = 0;
        for (size_t i = 0; i < count; ++i) {
            const size_t end = begin + per + (i < extra ? 1 : 0);
            std::vector<Value> row(seq.begin() + static_cast<ptrdiff_t>(begin),
                                   seq.begin() + static_cast<ptrdiff_t>(end));
            if (params.given(1) != nullptr && i >= extra) {
                row.push_back(*params[1]);
            }
            rows.push_back(rt.list(std::move(row)));
            begin = end;
        }
    }
    return generator_of(rt, std::move(rows));
}

Value groupby(Runtime& rt, const Value& self, Args& args) {
    const Params params("groupby", args, {"attribute", "default", "case_sensitive"}, 1);
    const AttributePath path(rt, params[0]);
    const bool case_sensitive = params.flag(2, false);
    std::vector<Keyed> keyed;
    for (auto& item : collect(rt, self)) {
        const Value key = path(rt, item, params[1]);
        keyed.push_back({case_sensitive ? key : ignore_case(rt, key), std::move(item)});
    }
    sort_keyed(rt, keyed, false);
    std::vector<Value> groups;
    for (size_t begin = 0; begin < keyed.size();) {
        std::vector<Value> members;
        size_t end = begin;
        for (; end < keyed.size() && equals(rt.budget(), keyed[begin].key, keyed[end].key); ++end) {
            members.push_back(keyed[end].item);
        }
        end = std::max(end, begin + 1);  // NaN differs from itself
        if (members.empty()) {
            members.push_back(keyed[begin].item);
        }
        const Value key = case_sensitive ? keyed[begin].key : path(rt, members.front(), params[1]);
        const Value group = rt.tuple({key, rt.list(std::move(members))});
        group.get<ListObject>().group = true;
        groups.push_back(group);
        begin = end;
    }
    return rt.list(std::move(groups));
}

constexpr auto kFilters = std::to_array<BuiltinEntry>({
    {"length", length},
    {"count", length},
    {"list", list},
    {"first", first},
    {"last", last},
    {"reverse", reverse},
    {"join", join},
    {"sort", sort},
    {"dictsort", dictsort},
    {"items", items},
    {"max", max},
    {"min", min},
    {"sum", sum},
    {"unique", unique},
    {"batch", batch},
    {"slice", slice},
    {"groupby", groupby},
});

}  // namespace

std::span<const BuiltinEntry> sequence_filters() { return kFilters; }

}  // namespace gantry::text::jinja
