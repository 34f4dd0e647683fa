#pragma once

#include <stdexcept>
#include <string>

namespace gantry::grammar {

/// A schema that cannot be honoured. Thrown inside this folder only: json_schema_automaton() turns it into an Error.
struct SchemaError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// A schema whose meaning is needed to work out its own meaning.
struct CircularReference : SchemaError {
    using SchemaError::SchemaError;
};

}  // namespace gantry::grammar
