#include "api/http/openapi.hpp"

/// The schemas say what is promised. Requests may have further members: dialects tell in X-Gantry-Ignored which of them
/// had no effect.

namespace gantry::api {

namespace {

constexpr std::string_view kSchemas = R"json({
"Any": {"description": "Any JSON value."},
"Error": {
  "type": "object",
  "required": ["error", "detail"],
  "properties": {
    "error": {
      "type": "object",
      "required": ["message", "type", "code"],
      "properties": {
        "message": {"type": "string"},
        "type": {"type": "string", "description": "OpenAI's word for the kind of error."},
        "param": {"type": ["string", "null"], "description": "The field at fault."},
        "code": {"type": ["string", "null"]},
        "hint": {"type": ["string", "null"], "description": "What to do about it."}
      }
    },
    "detail": {"description": "The message again, where Xinference's clients look for it."}
  }
},
"Scope": {"type": "string", "enum": ["read", "inference", "launch", "admin"]},
"KeyWish": {
  "type": "object",
  "required": ["name"],
  "additionalProperties": false,
  "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 100},
    "scope": {"$ref": "#/components/schemas/Scope"},
    "models": {"type": ["array", "null"], "items": {"type": "string"}, "description": "The only models it is for."},
    "expires_in": {"type": ["integer", "null"], "minimum": 1, "description": "Seconds."},
    "requests_per_minute": {"type": ["integer", "null"], "minimum": 0},
    "tokens_per_minute": {"type": ["integer", "null"], "minimum": 0}
  }
},
"Limits": {
  "type": "object",
  "properties": {
    "requests_per_minute": {"type": ["integer", "null"]},
    "tokens_per_minute": {"type": ["integer", "null"]}
  }
},
"Key": {
  "type": "object",
  "required": ["id", "object", "name", "scope", "models", "limits", "created", "expires"],
  "properties": {
    "id": {"type": "string"},
    "object": {"const": "key"},
    "name": {"type": "string"},
    "scope": {"$ref": "#/components/schemas/Scope"},
    "models": {"type": "array", "items": {"type": "string"}},
    "limits": {"$ref": "#/components/schemas/Limits"},
    "created": {"type": "integer"},
    "expires": {"type": ["integer", "null"]}
  }
},
"NewKey": {
  "allOf": [{"$ref": "#/components/schemas/Key"}],
  "required": ["key"],
  "properties": {"key": {"type": "string", "description": "Shown this once."}}
},
"KeyList": {
  "type": "object",
  "required": ["object", "data"],
  "properties": {
    "object": {"const": "list"},
    "data": {"type": "array", "items": {"$ref": "#/components/schemas/Key"}}
  }
},
"Deleted": {
  "type": "object",
  "required": ["id", "deleted"],
  "properties": {"id": {"type": "string"}, "object": {"type": "string"}, "deleted": {"const": true}}
},
"Caller": {
  "type": "object",
  "required": ["name", "key_id", "scope", "models", "limits"],
  "properties": {
    "name": {"type": "string"},
    "key_id": {"type": ["string", "null"]},
    "scope": {"$ref": "#/components/schemas/Scope"},
    "models": {"type": "array", "items": {"type": "string"}},
    "limits": {"$ref": "#/components/schemas/Limits"}
  }
},
"ClusterAuth": {"type": "object", "required": ["auth"], "properties": {"auth": {"type": "boolean"}}},
"Login": {
  "type": "object",
  "required": ["username", "password"],
  "properties": {"username": {"type": "string"}, "password": {"type": "string"}}
},
"Refresh": {"type": "object", "required": ["refresh_token"], "properties": {"refresh_token": {"type": "string"}}},
"TokenPair": {
  "type": "object",
  "required": ["access_token", "refresh_token", "token_type"],
  "properties": {
    "access_token": {"type": "string"},
    "refresh_token": {"type": "string"},
    "token_type": {"const": "bearer"}
  }
},
"Health": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}},
"Version": {
  "type": "object",
  "required": ["version", "plugin_abi"],
  "properties": {"version": {"type": "string"}, "plugin_abi": {"type": "string"}}
},
"Message": {
  "type": "object",
  "required": ["role"],
  "properties": {
    "role": {"type": "string"},
    "content": {"description": "Text, or a list of content parts."},
    "tool_calls": {"type": ["array", "null"]},
    "tool_call_id": {"type": ["string", "null"]}
  }
},
"ChatCompletionRequest": {
  "type": "object",
  "required": ["model", "messages"],
  "properties": {
    "model": {"type": "string"},
    "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}},
    "stream": {"type": ["boolean", "null"]},
    "max_tokens": {"type": ["integer", "null"]},
    "max_completion_tokens": {"type": ["integer", "null"]},
    "temperature": {"type": ["number", "null"], "minimum": 0},
    "top_p": {"type": ["number", "null"]},
    "seed": {"type": ["integer", "null"]},
    "stop": {"description": "A text, or a list of texts."},
    "tools": {"type": ["array", "null"]},
    "response_format": {"type": ["object", "null"]},
    "user": {"type": ["string", "null"]}
  }
},
"CompletionRequest": {
  "type": "object",
  "required": ["model", "prompt"],
  "properties": {
    "model": {"type": "string"},
    "prompt": {"description": "Text, token ids, or a list of either."},
    "stream": {"type": ["boolean", "null"]},
    "max_tokens": {"type": ["integer", "null"]},
    "temperature": {"type": ["number", "null"], "minimum": 0}
  }
},
"Completion": {
  "type": "object",
  "required": ["id", "object", "created", "model", "choices"],
  "properties": {
    "id": {"type": "string"},
    "object": {"type": "string"},
    "created": {"type": "integer"},
    "model": {"type": "string"},
    "choices": {"type": "array", "items": {"type": "object"}},
    "usage": {"type": ["object", "null"]}
  }
},
"LaunchRequest": {
  "type": "object",
  "required": ["model_name"],
  "properties": {
    "model_name": {"type": "string", "description": "A name of the catalog, or a path."},
    "model_uid": {"type": ["string", "null"]},
    "model_engine": {"type": ["string", "null"]},
    "model_type": {"type": ["string", "null"]}
  }
},
"Launched": {"type": "object", "required": ["model_uid"], "properties": {"model_uid": {"type": "string"}}},
"ModelList": {
  "type": "object",
  "required": ["object", "data"],
  "properties": {
    "object": {"const": "list"},
    "data": {
      "type": "array",
      "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
    }
  }
}
})json";

}  // namespace

boost::json::object openapi_schemas() { return boost::json::parse(kSchemas).as_object(); }

}  // namespace gantry::api
