#include "api/dialects/descriptions.hpp"

namespace gantry::dialects {

namespace {

/// OpenAI's Responses API.
constexpr std::string_view kDescription = R"json({
 "schemas": {
  "Response": {
   "type": "object",
   "required": [
    "id", "object", "created_at", "status", "background", "error", "incomplete_details", "model", "output", "usage",
    "instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "previous_response_id",
    "reasoning", "safety_identifier", "store", "temperature", "text", "tool_choice", "tools", "top_logprobs",
    "top_p", "truncation", "user"
   ],
   "properties": {
    "id": {"type": "string"}, "object": {"type": "string"}, "created_at": {"type": "integer"},
    "status": {"type": "string"}, "background": {"type": "boolean"}, "error": {"type": ["object", "null"]},
    "incomplete_details": {"type": ["object", "null"]}, "model": {"type": "string"}, "output": {"type": "array"},
    "usage": {"type": ["object", "null"]}, "instructions": {"type": ["string", "null"]},
    "max_output_tokens": {"type": ["integer", "null"]}, "max_tool_calls": {"type": ["integer", "null"]},
    "metadata": {"type": "object"}, "parallel_tool_calls": {"type": "boolean"},
    "previous_response_id": {"type": ["string", "null"]}, "reasoning": {"type": ["object", "null"]},
    "safety_identifier": {}, "store": {"type": "boolean"}, "temperature": {}, "text": {},
    "tool_choice": {"type": "string"}, "tools": {"type": "array"}, "top_logprobs": {"type": "integer"}, "top_p": {},
    "truncation": {"type": "string"}, "user": {}
   }
  }
 },
 "operations": {
  "POST /v1/responses": {
   "request": {
    "type": "object", "required": ["model", "input"],
    "properties": {
     "model": {"type": "string"}, "input": {"type": ["string", "array"]},
     "instructions": {"type": ["string", "null"]}, "stream": {"type": ["boolean", "null"]},
     "store": {"type": ["boolean", "null"]},
     "max_output_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647},
     "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
     "top_p": {"type": ["number", "null"], "maximum": 1, "exclusiveMinimum": 0},
     "previous_response_id": {"type": ["string", "null"]}, "parallel_tool_calls": {"type": ["boolean", "null"]},
     "tools": {
      "type": ["array", "null"],
      "items": {
       "type": "object", "required": ["type", "name"],
       "properties": {
        "type": {"const": "function"}, "name": {"type": "string", "minLength": 1},
        "description": {"type": ["string", "null"]}, "parameters": {"type": ["object", "null"]}
       }
      }
     },
     "metadata": {"type": ["object", "null"], "maxProperties": 16}
    },
    "description": "Some fields exclude each other or depend on the model; such a request is a 400 that names the field."
   },
   "response": {"$ref": "#/components/schemas/Response"}, "stream": "text/event-stream",
   "errors": [404, 409, 501, 504, 507]
  },
  "GET /v1/responses/{id}": {
   "query": {"stream": {"type": "boolean", "enum": [false]}}, "response": {"$ref": "#/components/schemas/Response"}, "errors": [501]
  },
  "DELETE /v1/responses/{id}": {
   "response": {
    "type": "object", "required": ["id", "object", "deleted"],
    "properties": {"id": {"type": "string"}, "object": {"const": "response"}, "deleted": {"const": true}}
   }
  },
  "GET /v1/responses/{id}/input_items": {
   "query": {
    "limit": {"type": "integer", "minimum": 1, "maximum": 100},
    "order": {"type": "string", "description": "asc, else the newest first"}, "after": {"type": "string"}
   },
   "response": {
    "type": "object", "required": ["object", "data", "has_more", "first_id", "last_id"],
    "properties": {
     "object": {"const": "list"}, "data": {"type": "array", "items": {"type": "object"}},
     "has_more": {"type": "boolean"}, "first_id": {"type": ["string", "null"]},
     "last_id": {"type": ["string", "null"]}
    }
   }
  },
  "POST /v1/responses/{id}/cancel": {"response": {"$ref": "#/components/schemas/Response"}, "errors": [409]}
 }
})json";

}  // namespace

std::string_view responses_description() { return kDescription; }

}  // namespace gantry::dialects
