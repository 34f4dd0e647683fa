#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gantry::grammar {

/// One schema inside a document: where it is and how it is to be read.
struct SchemaSource {
    const boost::json::value* value = nullptr;
    std::string base;     ///< URI against which its references are resolved
    std::string pointer;  ///< JSON pointer from the root of the whole document
    bool draft7 = false;  ///< draft 7 or older
};

/// Finds the schemas that a document's references mean. Never goes out to fetch anything. Throws SchemaError.
class SchemaDocument {
  public:
    explicit SchemaDocument(boost::json::value root);

    const boost::json::value& root() const { return root_; }
    /// The number of the schema that stands at `value`, a place inside the document.
    uint32_t number(const boost::json::value& value, const SchemaSource& parent, std::string_view step);
    uint32_t root_number();
    const SchemaSource& source(uint32_t number) const { return sources_[number]; }
    /// The schema that a $ref inside `from` means.
    uint32_t reference(const SchemaSource& from, std::string_view reference);
    /// The schema that a $dynamicRef means, where it can only mean one.
    uint32_t dynamic_reference(const SchemaSource& from, std::string_view reference);

  private:
    struct Place {
        std::string base;
        std::string pointer;
        bool draft7 = false;
    };

    void scan(const boost::json::value& value, const Place& around);
    void scan_members(const boost::json::object& object, const Place& place);
    uint32_t add(const boost::json::value& value, const Place& place);

    boost::json::value root_;
    std::unordered_map<const boost::json::value*, Place> places_;
    std::map<std::string, const boost::json::value*, std::less<>> resources_;  ///< by URI without a fragment
    std::map<std::string, const boost::json::value*, std::less<>> anchors_;    ///< by URI#name
    std::map<std::string, int, std::less<>> dynamic_anchors_;                  ///< how many there are of a name
    std::unordered_map<const boost::json::value*, uint32_t> numbers_;
    std::vector<SchemaSource> sources_;
};

/// "/a/b" and a member's name or an index: "/a/b/name", escaped as RFC 6901 asks for.
std::string pointer_step(std::string_view pointer, std::string_view step);

/// RFC 3986, section 5.2, as far as schema identifiers need it. `base` may be empty.
std::string resolve_uri(std::string_view base, std::string_view reference);

}  // namespace gantry::grammar
