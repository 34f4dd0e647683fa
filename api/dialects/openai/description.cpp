#include "api/dialects/descriptions.hpp"

namespace gantry::dialects {

namespace {

/// OpenAI's chats and completions.
constexpr std::string_view kDescription = R"json({
 "operations": {
  "POST /v1/chat/completions": {
   "request": {
    "type": "object", "required": ["model", "messages"],
    "properties": {
     "model": {"type": "string"}, "stream": {"type": ["boolean", "null"]},
     "max_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647},
     "max_completion_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647},
     "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
     "top_p": {"type": ["number", "null"], "maximum": 1, "exclusiveMinimum": 0},
     "top_k": {"type": ["integer", "null"], "minimum": -1, "maximum": 2147483647},
     "min_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
     "typical_p": {"type": ["number", "null"], "maximum": 1, "exclusiveMinimum": 0},
     "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 16},
     "seed": {"type": ["integer", "null"], "minimum": -9223372036854775808, "maximum": 9223372036854775807},
     "stop": {
      "type": ["string", "array", "null"], "minLength": 1, "maxItems": 16,
      "items": {"type": "string", "minLength": 1}
     },
     "stop_token_ids": {
      "type": ["integer", "array", "null"], "minimum": 0, "maximum": 2147483647,
      "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}
     },
     "frequency_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
     "presence_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
     "repetition_penalty": {"type": ["number", "null"], "minimum": 0.01, "maximum": 100},
     "ignore_eos": {"type": ["boolean", "null"]}, "user": {"type": ["string", "null"], "maxLength": 64},
     "priority": {"type": ["integer", "null"], "minimum": -1000, "maximum": 1000},
     "request_id": {"type": ["string", "null"]}, "cache_pin": {"type": ["boolean", "null"]},
     "cache_debug": {"type": ["boolean", "null"]}, "deterministic": {"type": ["boolean", "null"]},
     "timings": {"type": ["boolean", "null"]},
     "logit_bias": {
      "type": ["object", "null"],
      "patternProperties": {"^(0|[1-9][0-9]{0,8})$": {"type": "number", "minimum": -100, "maximum": 100}},
      "additionalProperties": false
     },
     "n_keep": {"type": ["integer", "null"], "minimum": -1, "maximum": 2147483647},
     "messages": {"type": "array", "items": {"$ref": "#/components/schemas/Message"}, "minItems": 1},
     "tools": {"type": ["array", "null"], "maxItems": 256, "items": {"$ref": "#/components/schemas/Tool"}},
     "response_format": {
      "anyOf": [
       {"type": "null"},
       {"type": "object", "required": ["type"], "properties": {"type": {"enum": ["text", "json_object"]}}},
       {
        "type": "object", "required": ["type", "json_schema"],
        "properties": {
         "type": {"const": "json_schema"},
         "json_schema": {
          "type": "object", "required": ["schema"],
          "properties": {
           "name": {"type": "string"}, "strict": {"type": ["boolean", "null"]}, "schema": {"type": ["object", "boolean"]}
          }
         }
        }
       },
       {
        "type": "object", "required": ["type", "pattern"],
        "properties": {"type": {"const": "regex"}, "pattern": {"type": "string"}}
       },
       {
        "type": "object", "required": ["type", "grammar"],
        "properties": {
         "type": {"const": "grammar"}, "grammar": {"type": "string"}, "syntax": {"enum": ["gbnf", "ebnf", "lark", null]}
        }
       },
       {"type": "object", "required": ["type"], "properties": {"type": {"const": "structural_tag"}}}
      ]
     }, "logprobs": {"type": ["boolean", "null"]},
     "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
     "parallel_tool_calls": {"type": ["boolean", "null"]}, "chat_template_kwargs": {"type": ["object", "null"]}
    },
    "description": "Some fields exclude each other or depend on the model; such a request is a 400 that names the field."
   },
   "response": {"$ref": "#/components/schemas/ChatCompletion"}, "stream": "text/event-stream",
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /v1/completions": {
   "request": {
    "type": "object", "required": ["model", "prompt"],
    "properties": {
     "model": {"type": "string"}, "stream": {"type": ["boolean", "null"]},
     "max_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647},
     "max_completion_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647},
     "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
     "top_p": {"type": ["number", "null"], "maximum": 1, "exclusiveMinimum": 0},
     "top_k": {"type": ["integer", "null"], "minimum": -1, "maximum": 2147483647},
     "min_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
     "typical_p": {"type": ["number", "null"], "maximum": 1, "exclusiveMinimum": 0},
     "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 16},
     "seed": {"type": ["integer", "null"], "minimum": -9223372036854775808, "maximum": 9223372036854775807},
     "stop": {
      "type": ["string", "array", "null"], "minLength": 1, "maxItems": 16,
      "items": {"type": "string", "minLength": 1}
     },
     "stop_token_ids": {
      "type": ["integer", "array", "null"], "minimum": 0, "maximum": 2147483647,
      "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}
     },
     "frequency_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
     "presence_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
     "repetition_penalty": {"type": ["number", "null"], "minimum": 0.01, "maximum": 100},
     "ignore_eos": {"type": ["boolean", "null"]}, "user": {"type": ["string", "null"], "maxLength": 64},
     "priority": {"type": ["integer", "null"], "minimum": -1000, "maximum": 1000},
     "request_id": {"type": ["string", "null"]}, "cache_pin": {"type": ["boolean", "null"]},
     "cache_debug": {"type": ["boolean", "null"]}, "deterministic": {"type": ["boolean", "null"]},
     "timings": {"type": ["boolean", "null"]},
     "logit_bias": {
      "type": ["object", "null"],
      "patternProperties": {"^(0|[1-9][0-9]{0,8})$": {"type": "number", "minimum": -100, "maximum": 100}},
      "additionalProperties": false
     },
     "n_keep": {"type": ["integer", "null"], "minimum": -1, "maximum": 2147483647},
     "prompt": {
      "anyOf": [
       {"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 128},
       {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}, "minItems": 1}
      ],
      "description": "Text, token ids, or a list of either."
     },
     "echo": {"type": ["boolean", "null"]}, "logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
     "suffix": {"type": ["string", "null"]}, "best_of": {"type": ["integer", "null"], "minimum": 1, "maximum": 16}
    },
    "description": "Some fields exclude each other or depend on the model; such a request is a 400 that names the field."
   },
   "response": {"$ref": "#/components/schemas/Completion"}, "stream": "text/event-stream",
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /v1/audio/speech": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "POST /v1/audio/transcriptions": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "POST /v1/audio/translations": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "POST /v1/images/generations": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "POST /v1/images/edits": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "POST /v1/images/variations": {"request": {}, "optional": true, "response": {}, "errors": [404]}
 },
 "schemas": {
  "Usage": {
   "type": "object", "required": ["prompt_tokens", "completion_tokens", "total_tokens"],
   "properties": {
    "prompt_tokens": {"type": "integer"}, "completion_tokens": {"type": "integer"},
    "total_tokens": {"type": "integer"}, "prompt_tokens_details": {"type": ["object", "null"]},
    "completion_tokens_details": {"type": ["object", "null"]}
   }
  },
  "ChatCompletion": {
   "type": "object", "required": ["id", "object", "created", "model", "choices", "usage"],
   "properties": {
    "id": {"type": "string"}, "object": {"const": "chat.completion"}, "created": {"type": "integer"},
    "model": {"type": "string"},
    "choices": {
     "type": "array",
     "items": {
      "type": "object", "required": ["index", "message", "finish_reason"],
      "properties": {
       "index": {"type": "integer"},
       "message": {
        "type": "object", "required": ["role"],
        "properties": {
         "role": {"const": "assistant"}, "content": {"type": ["string", "null"]},
         "reasoning_content": {"type": ["string", "null"]},
         "tool_calls": {"type": "array", "items": {"type": "object"}}
        }
       },
       "logprobs": {"type": ["object", "null"]},
       "finish_reason": {"enum": ["stop", "length", "tool_calls", "content_filter", "abort", null]}
      }
     },
     "minItems": 1
    },
    "usage": {"$ref": "#/components/schemas/Usage"}
   }
  },
  "Completion": {
   "type": "object", "required": ["id", "object", "created", "model", "choices", "usage"],
   "properties": {
    "id": {"type": "string"}, "object": {"const": "text_completion"}, "created": {"type": "integer"},
    "model": {"type": "string"},
    "choices": {
     "type": "array",
     "items": {
      "type": "object", "required": ["index", "text", "finish_reason"],
      "properties": {
       "index": {"type": "integer"}, "text": {"type": "string"}, "logprobs": {"type": ["object", "null"]},
       "finish_reason": {"type": ["string", "null"]}
      }
     },
     "minItems": 1
    },
    "usage": {"$ref": "#/components/schemas/Usage"}
   }
  }
 }
})json";

}  // namespace

std::string_view openai_description() { return kDescription; }

}  // namespace gantry::dialects
