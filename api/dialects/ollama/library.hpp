#pragma once

/// The models that were made of others by /api/create and /api/copy. Kept in "ollama.json" in the data folder, so that
/// they are there after a restart.

#include <boost/json.hpp>
#include <map>
#include <string>

#include "api/dialects/ollama/call.hpp"
#include "api/http/services.hpp"

namespace gantry::dialects::ollama {

/// A model under a name of its own: another one with what requests do not say themselves.
struct Derived {
    std::string name;  ///< without ":latest"
    std::string from;  ///< a name that is no derived one, or the path of a file or folder
    std::string system, own_template, licence;
    boost::json::object parameters;  ///< as in "options"
    boost::json::array messages;     ///< {"role", "content"}, before those of a chat
    int64_t modified = 0;            ///< Unix seconds

    /// The same as text.
    std::string modelfile() const;
    /// One line a parameter.
    std::string parameter_text() const;
};

/// Used on the io thread only.
class Library {
  public:
    explicit Library(const api::Services& services);

    const std::map<std::string, Derived>& derived() const { return derived_; }
    /// nullptr if there is none of that name.
    const Derived* find(std::string_view name) const;
    /// Returns when it is on disk; kInternal says why it is not, and then nothing has changed.
    Status put(Derived model);
    Status remove(const std::string& name);

  private:
    Status save(const std::map<std::string, Derived>& models) const;

    std::string path_;
    std::map<std::string, Derived> derived_;
};

/// What a Modelfile says: FROM, SYSTEM, TEMPLATE, PARAMETER, MESSAGE, LICENSE. kInvalidArgument names the line.
Result<Derived> read_modelfile(std::string_view text);

/// A Modelfile's value as options have it: a number, a boolean or a text.
boost::json::value parameter_value(std::string_view text);

/// Puts into a request what it leaves to the model.
void fill_in(const Derived& model, boost::json::object& body, bool chat);

}  // namespace gantry::dialects::ollama
