#include "api/dialects/descriptions.hpp"

namespace gantry::dialects {

namespace {

/// Anthropic's messages. Of the model lists, which share their paths with other forms, the document has those.
constexpr std::string_view kDescription = R"json({
 "error": {"$ref": "#/components/schemas/AnthropicError"},
 "schemas": {
  "AnthropicError": {
   "type": "object", "required": ["type", "error", "request_id"],
   "properties": {
    "type": {"const": "error"},
    "error": {
     "type": "object", "required": ["type", "message"],
     "properties": {"type": {"type": "string"}, "message": {"type": "string"}}
    },
    "request_id": {"type": "string"}
   }
  },
  "AnthropicTools": {
   "type": ["array", "null"], "maxItems": 1024,
   "items": {
    "type": "object", "required": ["name", "input_schema"],
    "properties": {
     "type": {"enum": ["custom", null]}, "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"},
     "description": {"type": "string"}, "input_schema": {"type": "object"}
    }
   }
  },
  "AnthropicMessages": {
   "type": "array",
   "items": {
    "type": "object", "required": ["role", "content"],
    "properties": {"role": {"enum": ["user", "assistant", "system"]}, "content": {"type": ["string", "array"]}}
   },
   "minItems": 1
  }
 },
 "operations": {
  "POST /v1/messages": {
   "request": {
    "type": "object", "required": ["model", "max_tokens", "messages"],
    "properties": {
     "model": {"type": "string"}, "max_tokens": {"type": "integer", "minimum": 1, "maximum": 2147483647},
     "messages": {"$ref": "#/components/schemas/AnthropicMessages"}, "system": {"type": ["string", "array", "null"]},
     "stream": {"type": ["boolean", "null"]},
     "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
     "top_p": {"type": ["number", "null"], "maximum": 1, "exclusiveMinimum": 0},
     "top_k": {"type": ["integer", "null"], "minimum": 0, "maximum": 2147483647},
     "stop_sequences": {"type": ["array", "null"], "items": {"type": "string", "pattern": "[^ \\t\\r\\n]"}},
     "tools": {"$ref": "#/components/schemas/AnthropicTools"}, "metadata": {"type": ["object", "null"], "properties": {"user_id": {"type": ["string", "null"]}}}
    },
    "description": "Some fields exclude each other or depend on the model; such a request is a 400 that names the field."
   },
   "response": {
    "type": "object",
    "required": ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"],
    "properties": {
     "id": {"type": "string"}, "type": {"const": "message"}, "role": {"const": "assistant"},
     "model": {"type": "string"},
     "content": {
      "type": "array", "items": {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}}
     },
     "stop_reason": {"type": ["string", "null"]}, "stop_sequence": {"type": ["string", "null"]},
     "usage": {
      "type": "object", "required": ["input_tokens", "output_tokens"],
      "properties": {"input_tokens": {"type": "integer"}, "output_tokens": {"type": "integer"}}
     }
    }
   },
   "stream": "text/event-stream", "errors": [404, 409, 501, 504, 507, 413, 529]
  },
  "POST /v1/messages/count_tokens": {
   "request": {
    "type": "object", "required": ["model", "messages"],
    "properties": {
     "model": {"type": "string"}, "messages": {"$ref": "#/components/schemas/AnthropicMessages"},
     "system": {"type": ["string", "array", "null"]}, "tools": {"$ref": "#/components/schemas/AnthropicTools"}
    },
    "description": "Some fields exclude each other or depend on the model; such a request is a 400 that names the field."
   },
   "response": {"type": "object", "required": ["input_tokens"], "properties": {"input_tokens": {"type": "integer"}}},
   "errors": [404, 409, 501, 504, 507, 529]
  },
  "GET /v1/models": {"response": {"type": "object"}}, "GET /v1/models/{uid}": {"response": {"type": "object"}}
 }
})json";

}  // namespace

std::string_view anthropic_description() { return kDescription; }

}  // namespace gantry::dialects
