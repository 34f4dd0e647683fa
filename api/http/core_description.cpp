#include "api/http/openapi.hpp"

namespace gantry::api {

namespace {

/// Schemas that all tables share, and the routes that are no dialect's.
constexpr std::string_view kDescription = R"json({
 "schemas": {
  "Error": {
   "type": "object", "required": ["error", "detail"],
   "properties": {
    "error": {
     "type": "object", "required": ["message", "type", "code"],
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
  "Limits": {
   "type": "object", "required": ["requests_per_minute", "tokens_per_minute"],
   "properties": {
    "requests_per_minute": {"type": ["integer", "null"]}, "tokens_per_minute": {"type": ["integer", "null"]}
   }
  },
  "Key": {
   "type": "object", "required": ["id", "object", "name", "scope", "models", "limits", "created", "expires"],
   "properties": {
    "id": {"type": "string"}, "object": {"const": "key"}, "name": {"type": "string"},
    "scope": {"$ref": "#/components/schemas/Scope"}, "models": {"type": "array", "items": {"type": "string"}},
    "limits": {"$ref": "#/components/schemas/Limits"}, "created": {"type": "integer"},
    "expires": {"type": ["integer", "null"]}
   }
  },
  "TokenPair": {
   "type": "object", "required": ["access_token", "refresh_token", "token_type"],
   "properties": {
    "access_token": {"type": "string"}, "refresh_token": {"type": "string"}, "token_type": {"const": "bearer"}
   }
  },
  "Message": {
   "type": "object", "required": ["role"],
   "properties": {
    "role": {"enum": ["system", "developer", "user", "assistant", "tool", "function"]},
    "content": {"type": ["string", "array", "null"], "description": "Text, or a list of content parts."},
    "tool_calls": {"description": "An assistant's calls."}, "tool_call_id": {"description": "Of a tool's message."}
   }
  },
  "Replica": {
   "type": "object", "required": ["id", "uid", "state", "pid", "created", "in_use", "error"],
   "properties": {
    "id": {"type": "integer"}, "uid": {"type": "string"}, "state": {"type": "string"}, "pid": {"type": "integer"},
    "created": {"type": "integer"}, "in_use": {"type": "integer"}, "error": {"type": ["object", "null"]}
   }
  },
  "Memory": {
   "type": "object", "required": ["total", "reserved"],
   "properties": {
    "total": {"type": "integer", "description": "Bytes that models may use together."},
    "reserved": {"type": "integer"}
   }
  },
  "Launch": {
   "type": "object",
   "properties": {
    "model_name": {"type": ["string", "null"], "description": "A name of the catalog, or a path."},
    "model_path": {"type": ["string", "null"]},
    "model_uid": {
     "type": ["string", "null"], "pattern": "^([A-Za-z0-9][A-Za-z0-9._:-]{0,99})?$",
     "not": {"type": "string", "pattern": "-rep[0-9]+$"}
    },
    "model_engine": {"type": ["string", "null"], "description": "auto, or a plugin's id"},
    "model_type": {"enum": ["LLM", "embedding", "rerank", null]}, "model_format": {"type": ["string", "null"]},
    "model_size_in_billions": {"type": ["string", "number", "null"]}, "quantization": {"type": ["string", "null"]},
    "replica": {"type": "integer", "minimum": 1, "maximum": 64},
    "context_length": {"type": ["integer", "null"], "minimum": 16, "maximum": 2147483647},
    "max_num_seqs": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647},
    "n_threads": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647},
    "keep_alive": {
     "anyOf": [
      {"type": "null"}, {"type": "number", "maximum": 31622400},
      {"type": "string", "pattern": "^-?([0-9]{1,7}(\\.[0-9]{1,3})?(h|m|s|ms))+$|^-?[0-9]{1,7}$"}
     ],
     "description": "Seconds, or a text like \"5m\"."
    },
    "on_demand": {"type": ["boolean", "null"]}, "pinned": {"type": ["boolean", "null"]},
    "evict": {"type": ["boolean", "null"]},
    "engine_options": {
     "type": ["object", "null"], "additionalProperties": {"type": ["string", "number", "boolean"]}
    },
    "tool_parser": {"type": ["string", "null"]}, "reasoning_parser": {"type": ["string", "null"]},
    "wake_on_request": {"type": ["boolean", "null"]},
    "adapter_dirs": {"type": ["array", "null"], "items": {"type": "string"}}
   },
   "anyOf": [
    {"required": ["model_name"], "properties": {"model_name": {"type": "string", "minLength": 1}}},
    {"required": ["model_path"], "properties": {"model_path": {"type": "string", "minLength": 1}}}
   ]
  },
  "Tool": {
   "type": "object", "required": ["function"],
   "properties": {
    "type": {"const": "function"},
    "function": {
     "type": "object", "required": ["name"],
     "properties": {
      "name": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,128}$"}, "description": {"type": ["string", "null"]},
      "parameters": {"type": ["object", "null"], "description": "A JSON schema."}
     }
    }
   }
  }
 },
 "operations": {
  "GET /openapi.json": {
   "response": {
    "type": "object", "required": ["openapi", "info", "paths", "components"],
    "properties": {
     "openapi": {"const": "3.1.0"}, "info": {"type": "object"}, "paths": {"type": "object"},
     "components": {"type": "object"}
    }
   }
  },
  "GET /healthz": {
   "response": {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}
  },
  "GET /readyz": {
   "response": {"type": "object", "required": ["status"], "properties": {"status": {"const": "ready"}}}
  },
  "GET /version": {
   "response": {
    "type": "object", "required": ["version", "plugin_abi"],
    "properties": {"version": {"type": "string"}, "plugin_abi": {"type": "string"}}
   }
  },
  "GET /metrics": {"response": {"type": "string"}, "media": ["text/plain", "application/openmetrics-text"]},
  "POST /gantry/v1/keys": {
   "request": {
    "type": "object", "required": ["name"],
    "properties": {
     "name": {"type": "string", "minLength": 1, "maxLength": 100},
     "scope": {"anyOf": [{"$ref": "#/components/schemas/Scope"}, {"type": "null"}]},
     "models": {
      "type": ["array", "null"], "maxItems": 1000, "items": {"type": "string"},
      "description": "The only models it is for."
     },
     "expires_in": {"type": ["integer", "null"], "minimum": 1, "maximum": 3153600000, "description": "Seconds."},
     "requests_per_minute": {"type": ["integer", "null"], "minimum": 0, "maximum": 4294967295},
     "tokens_per_minute": {"type": ["integer", "null"], "minimum": 0, "maximum": 9007199254740992}
    },
    "additionalProperties": false
   },
   "response": {
    "allOf": [{"$ref": "#/components/schemas/Key"}], "type": "object", "required": ["key"],
    "properties": {"key": {"type": "string", "description": "Shown this once."}}
   },
   "errors": [409, 503]
  },
  "GET /gantry/v1/keys": {
   "response": {
    "type": "object", "required": ["object", "data"],
    "properties": {
     "object": {"const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Key"}}
    }
   }
  },
  "DELETE /gantry/v1/keys/{id}": {
   "response": {
    "type": "object", "required": ["id", "object", "deleted"],
    "properties": {"id": {"type": "string"}, "object": {"const": "key"}, "deleted": {"const": true}}
   },
   "errors": [409]
  },
  "GET /v1/cluster/auth": {
   "response": {"type": "object", "required": ["auth"], "properties": {"auth": {"type": "boolean"}}}
  },
  "POST /token": {
   "request": {
    "type": "object", "required": ["username", "password"],
    "properties": {"username": {"type": "string"}, "password": {"type": "string"}}
   },
   "response": {"$ref": "#/components/schemas/TokenPair"}, "errors": [401, 429]
  },
  "POST /v1/auth/refresh": {
   "request": {"type": "object", "required": ["refresh_token"], "properties": {"refresh_token": {"type": "string"}}},
   "response": {"$ref": "#/components/schemas/TokenPair"}, "errors": [401]
  },
  "POST /v1/auth/logout": {
   "response": {"type": "object", "required": ["ok"], "properties": {"ok": {"const": true}}}
  },
  "GET /v1/auth/me": {
   "response": {
    "type": "object", "required": ["name", "key_id", "scope", "models", "limits"],
    "properties": {
     "name": {"type": "string"}, "key_id": {"type": ["string", "null"]},
     "scope": {"$ref": "#/components/schemas/Scope"}, "models": {"type": "array", "items": {"type": "string"}},
     "limits": {"$ref": "#/components/schemas/Limits"}
    }
   }
  }
 }
})json";

}  // namespace

std::string_view core_description() { return kDescription; }

}  // namespace gantry::api
