#pragma once

/// Values of the template language: Python's, as far as templates can see them.
///
/// Texts, lists and dicts are immutable once made and shared by reference count, so constants of a compiled template
/// may be used by several threads. What can change (namespaces, loops, generators, cyclers) belongs to one rendering.

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/text/jinja/budget.hpp"

namespace gantry::text::jinja {

/// Python's integers, cut at 128 bits: what does not fit is an error, never a wrapped value.
using Int = __int128;

enum class Type : uint8_t {
    kNone,
    kBool,
    kInt,
    kFloat,
    kUndefined,
    kStr,
    kList,
    kTuple,
    kDict,
    kRange,
    kView,       ///< dict.keys(), .values(), .items()
    kGenerator,  ///< what filters such as map and select return: can be walked once
    kNamespace,
    kLoop,
    kMacro,
    kFunction,  ///< global function or bound method
    kCycler,
    kJoiner,
};

/// What a Value may point to. Its bytes count against the budget of the rendering that made it.
class Object : public boost::intrusive_ref_counter<Object, boost::thread_safe_counter> {
  public:
    Object() = default;
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;
    virtual ~Object() {
        if (budget_ != nullptr) {
            budget_->release(bytes_);
        }
    }
    /// Books `bytes` more on the budget, which must outlive the object.
    void charge(Budget& budget, size_t bytes) {
        budget.acquire(bytes);
        budget_ = &budget;
        bytes_ += bytes;
    }

    uint32_t depth = 0;  ///< how many containers lie inside each other; bounds every recursion over values

  private:
    Budget* budget_ = nullptr;
    size_t bytes_ = 0;
};

struct StrObject;
struct ListObject;
struct DictObject;
struct UndefinedObject;

class Value {
  public:
    Value() = default;  ///< None
    static Value boolean(bool b);
    static Value integer(Int i);
    static Value real(double d);
    static Value text(std::string s, bool markup = false);  ///< `s` must be valid UTF-8
    static Value list(std::vector<Value> items);
    static Value tuple(std::vector<Value> items);
    static Value undefined(std::string message, ErrorKind kind = ErrorKind::kUndefined);
    Value(Type type, boost::intrusive_ptr<Object> object) : type_(type), object_(std::move(object)) {}

    Type type() const { return type_; }
    bool is(Type t) const { return type_ == t; }
    bool is_none() const { return type_ == Type::kNone; }
    bool is_undefined() const { return type_ == Type::kUndefined; }
    bool is_str() const { return type_ == Type::kStr; }
    bool is_sequence() const { return type_ == Type::kList || type_ == Type::kTuple; }
    bool is_integral() const { return type_ == Type::kInt || type_ == Type::kBool; }
    bool is_number() const { return is_integral() || type_ == Type::kFloat; }

    /// These demand the right type; nothing checks it again.
    bool as_bool() const { return int_ != 0; }
    Int as_int() const { return int_; }  ///< of an integer or a boolean
    double as_float() const { return real_; }
    double to_float() const { return type_ == Type::kFloat ? real_ : static_cast<double>(int_); }
    const std::string& str() const;
    bool is_markup() const;
    const std::vector<Value>& items() const;  ///< of a list or tuple
    const DictObject& dict() const;
    Object* object() const { return object_.get(); }
    template <class T>
    T& get() const {
        return static_cast<T&>(*object_);
    }

  private:
    Type type_ = Type::kNone;
    union {
        Int int_ = 0;
        double real_;
    };
    boost::intrusive_ptr<Object> object_;
};

struct StrObject : Object {
    StrObject(std::string s, bool m);
    const std::string text;
    const size_t length;  ///< in code points
    const bool markup;    ///< escaped already (the `safe` and `escape` filters)
};

struct ListObject : Object {
    explicit ListObject(std::vector<Value> v);
    const std::vector<Value> items;
    bool group = false;  ///< what `groupby` gives: a tuple whose members are also called grouper and list
};

struct UndefinedObject : Object {
    UndefinedObject(std::string m, ErrorKind k) : message(std::move(m)), kind(k) {}
    const std::string message;
    const ErrorKind kind;
};

/// A hash table that keeps the order of insertion. Only its maker changes it, before it becomes a Value.
class Dict {
  public:
    struct Entry {
        Value key;
        Value value;
        size_t hash;
    };
    const std::vector<Entry>& entries() const { return entries_; }
    size_t size() const { return entries_.size(); }
    const Value* find(std::string_view key) const;
    /// Raises TypeError for a key that cannot be hashed.
    const Value* find(Budget& budget, const Value& key) const;
    void set(Budget& budget, Value key, Value value);
    void set(std::string_view key, Value value);
    void clear();

  private:
    static constexpr size_t kIndexFrom = 9;  ///< shorter dicts are searched from end to end
    template <class Same>
    size_t locate(size_t hash, Same same) const;
    void append(Value key, Value value, size_t hash);

    std::vector<Entry> entries_;
    std::unordered_multimap<size_t, size_t> index_;  ///< hash to position, from kIndexFrom entries on
};

struct DictObject : Object {
    explicit DictObject(Dict d);
    const Dict dict;
};

/// Immutable arithmetic progression.
struct RangeObject : Object {
    RangeObject(int64_t b, int64_t e, int64_t s);
    const int64_t start, stop, step;
    const int64_t size;
    int64_t at(int64_t i) const { return static_cast<int64_t>(start + static_cast<Int>(i) * step); }
};

struct ViewObject : Object {
    enum class Kind : uint8_t { kKeys, kValues, kItems };
    ViewObject(Kind k, Value d);
    const Kind kind;
    const Value owner;  ///< the dict
};

/// The words that Python's messages use ("str", "list", "NoneType").
std::string_view type_name(const Value& v);
/// The words that jinja2's messages use for the owner of a missing attribute ("'list object'", "'None'").
std::string described_type(const Value& v);

bool truthy(const Value& v);
/// Python's ==. Raises only when the budget is used up.
bool equals(Budget& budget, const Value& a, const Value& b);
bool identical(const Value& a, const Value& b);
/// Python's a < b; raises TypeError where there is no order, UndefinedError for undefined values. `op` is what the
/// message names, `swapped` says that the template has b first.
bool less(Budget& budget, const Value& a, const Value& b, std::string_view op = "<", bool swapped = false);
/// Python's a <= b: false both ways round for NaN.
bool less_equal(Budget& budget, const Value& a, const Value& b, std::string_view op = "<=", bool swapped = false);
size_t hash_value(Budget& budget, const Value& v);

/// Raises the error that using this undefined value means.
[[noreturn]] void raise_undefined(const Value& v);

}  // namespace gantry::text::jinja
