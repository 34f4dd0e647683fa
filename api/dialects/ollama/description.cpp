#include "api/dialects/descriptions.hpp"

namespace gantry::dialects {

namespace {

/// Ollama's routes.
constexpr std::string_view kDescription = R"json({
 "error": {"$ref": "#/components/schemas/OllamaError"},
 "schemas": {
  "OllamaError": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
  "OllamaName": {
   "type": "object",
   "properties": {
    "model": {"type": "string", "minLength": 1},
    "name": {"type": "string", "minLength": 1, "description": "The older word for model."}
   },
   "anyOf": [{"required": ["model"]}, {"required": ["name"]}]
  }
 },
 "operations": {
  "POST /api/generate": {
   "request": {
    "type": "object", "required": ["model"],
    "properties": {
     "model": {"type": "string", "minLength": 1}, "stream": {"type": ["boolean", "null"]},
     "options": {
      "type": ["object", "null"],
      "properties": {
       "num_predict": {"type": ["integer", "null"], "minimum": -2, "maximum": 2147483647},
       "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
       "seed": {"type": ["integer", "null"], "minimum": -9223372036854775808, "maximum": 9223372036854775807},
       "top_k": {"type": ["integer", "null"], "minimum": 0, "maximum": 2147483647},
       "stop": {"type": ["string", "array", "null"], "minLength": 1, "items": {"type": "string", "minLength": 1}}
      }
     },
     "keep_alive": {
      "anyOf": [
       {"type": "null"}, {"type": "number", "maximum": 31622400},
       {"type": "string", "pattern": "^-?([0-9]{1,7}(\\.[0-9]{1,3})?(h|m|s|ms))+$|^-?[0-9]{1,7}$"}
      ],
      "description": "Seconds, or a text like \"5m\"."
     },
     "format": {"anyOf": [{"enum": ["json", "", null]}, {"type": "object", "description": "A JSON schema."}]}, "prompt": {"type": ["string", "null"]},
     "system": {"type": ["string", "null"]}, "suffix": {"type": ["string", "null"]},
     "raw": {"type": ["boolean", "null"]}, "template": {"type": ["string", "null"]},
     "context": {"type": ["array", "null"], "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}}
    },
    "description": "Some fields exclude each other or depend on the model; such a request is a 400 that names the field."
   },
   "response": {
    "type": "object", "required": ["model", "created_at", "done"],
    "properties": {
     "model": {"type": "string"}, "created_at": {"type": "string"}, "done": {"type": "boolean"},
     "done_reason": {"type": "string"}, "total_duration": {"type": "integer"}, "load_duration": {"type": "integer"},
     "prompt_eval_count": {"type": "integer"}, "prompt_eval_duration": {"type": "integer"},
     "eval_count": {"type": "integer"}, "eval_duration": {"type": "integer"}, "response": {"type": "string"}
    }
   },
   "stream": "application/x-ndjson", "errors": [404, 409, 501, 504, 507]
  },
  "POST /api/chat": {
   "request": {
    "type": "object", "required": ["model"],
    "properties": {
     "model": {"type": "string", "minLength": 1}, "stream": {"type": ["boolean", "null"]},
     "options": {
      "type": ["object", "null"],
      "properties": {
       "num_predict": {"type": ["integer", "null"], "minimum": -2, "maximum": 2147483647},
       "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
       "seed": {"type": ["integer", "null"], "minimum": -9223372036854775808, "maximum": 9223372036854775807},
       "top_k": {"type": ["integer", "null"], "minimum": 0, "maximum": 2147483647},
       "stop": {"type": ["string", "array", "null"], "minLength": 1, "items": {"type": "string", "minLength": 1}}
      }
     },
     "keep_alive": {
      "anyOf": [
       {"type": "null"}, {"type": "number", "maximum": 31622400},
       {"type": "string", "pattern": "^-?([0-9]{1,7}(\\.[0-9]{1,3})?(h|m|s|ms))+$|^-?[0-9]{1,7}$"}
      ],
      "description": "Seconds, or a text like \"5m\"."
     },
     "format": {"anyOf": [{"enum": ["json", "", null]}, {"type": "object", "description": "A JSON schema."}]},
     "messages": {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/Message"}},
     "tools": {"type": ["array", "null"], "maxItems": 128, "items": {"$ref": "#/components/schemas/Tool"}}
    },
    "description": "Some fields exclude each other or depend on the model; such a request is a 400 that names the field."
   },
   "response": {
    "type": "object", "required": ["model", "created_at", "done"],
    "properties": {
     "model": {"type": "string"}, "created_at": {"type": "string"}, "done": {"type": "boolean"},
     "done_reason": {"type": "string"}, "total_duration": {"type": "integer"}, "load_duration": {"type": "integer"},
     "prompt_eval_count": {"type": "integer"}, "prompt_eval_duration": {"type": "integer"},
     "eval_count": {"type": "integer"}, "eval_duration": {"type": "integer"}, "message": {"type": "object"}
    }
   },
   "stream": "application/x-ndjson", "errors": [404, 409, 501, 504, 507]
  },
  "GET /api/tags": {
   "response": {
    "type": "object", "required": ["models"],
    "properties": {
     "models": {
      "type": "array",
      "items": {
       "type": "object", "required": ["name", "model", "size", "digest", "details"],
       "properties": {
        "name": {"type": "string"}, "model": {"type": "string"}, "size": {"type": "integer"},
        "digest": {"type": "string"}, "details": {"type": "object"}
       }
      }
     }
    }
   }
  },
  "GET /api/ps": {
   "response": {
    "type": "object", "required": ["models"],
    "properties": {
     "models": {
      "type": "array",
      "items": {
       "type": "object", "required": ["name", "model", "size", "digest", "details"],
       "properties": {
        "name": {"type": "string"}, "model": {"type": "string"}, "size": {"type": "integer"},
        "digest": {"type": "string"}, "details": {"type": "object"}
       }
      }
     }
    }
   }
  },
  "POST /api/show": {
   "request": {"$ref": "#/components/schemas/OllamaName"},
   "response": {
    "type": "object", "required": ["modelfile", "details"],
    "properties": {
     "license": {"type": "string"}, "modelfile": {"type": "string"}, "parameters": {"type": "string"},
     "template": {"type": "string"}, "details": {"type": "object"}, "model_info": {"type": "object"},
     "capabilities": {"type": "array", "items": {"type": "string"}}
    }
   },
   "errors": [404]
  },
  "POST /api/pull": {
   "request": {"$ref": "#/components/schemas/OllamaName"},
   "response": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}},
   "stream": "application/x-ndjson", "errors": [404, 409, 501, 504, 507]
  },
  "POST /api/push": {"request": {}, "optional": true, "response": {}, "errors": [501]},
  "POST /api/create": {
   "request": {
    "type": "object",
    "properties": {
     "model": {"type": ["string", "null"]}, "name": {"type": ["string", "null"]},
     "from": {"type": ["string", "null"]}, "modelfile": {"type": ["string", "null"]},
     "system": {"type": ["string", "null"]}, "template": {"type": ["string", "null"]},
     "parameters": {"type": ["object", "null"]}, "messages": {"type": ["array", "null"]},
     "stream": {"type": ["boolean", "null"]}
    },
    "description": "Some fields exclude each other or depend on the model; such a request is a 400 that names the field."
   },
   "response": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}},
   "stream": "application/x-ndjson", "errors": [404, 409, 501, 504, 507]
  },
  "POST /api/copy": {
   "request": {
    "type": "object", "required": ["source", "destination"],
    "properties": {"source": {"type": "string", "minLength": 1}, "destination": {"type": "string", "maxLength": 200, "pattern": "^[^ \\t\\r\\n\"'\\\\]+$"}}
   },
   "response": null, "errors": [404, 409]
  },
  "DELETE /api/delete": {
   "request": {"$ref": "#/components/schemas/OllamaName"}, "response": null, "errors": [404, 409]
  },
  "GET /api/blobs/{digest}": {"response": {}},
  "POST /api/blobs/{digest}": {"request": {}, "optional": true, "response": {}, "errors": [501]},
  "POST /api/embed": {
   "request": {
    "type": "object", "required": ["model", "input"],
    "properties": {
     "model": {"type": "string", "minLength": 1},
     "input": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 8192}]},
     "truncate": {"type": ["boolean", "null"]},
     "dimensions": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647},
     "keep_alive": {
      "anyOf": [
       {"type": "null"}, {"type": "number", "maximum": 31622400},
       {"type": "string", "pattern": "^-?([0-9]{1,7}(\\.[0-9]{1,3})?(h|m|s|ms))+$|^-?[0-9]{1,7}$"}
      ],
      "description": "Seconds, or a text like \"5m\"."
     },
     "options": {"type": ["object", "null"]}
    }
   },
   "response": {
    "type": "object", "required": ["model", "embeddings", "total_duration", "load_duration", "prompt_eval_count"],
    "properties": {
     "model": {"type": "string"},
     "embeddings": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
     "total_duration": {"type": "integer"}, "load_duration": {"type": "integer"},
     "prompt_eval_count": {"type": "integer"}
    }
   },
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /api/embeddings": {
   "request": {
    "type": "object", "required": ["model", "prompt"],
    "properties": {
     "model": {"type": "string", "minLength": 1}, "prompt": {"type": "string"},
     "keep_alive": {
      "anyOf": [
       {"type": "null"}, {"type": "number", "maximum": 31622400},
       {"type": "string", "pattern": "^-?([0-9]{1,7}(\\.[0-9]{1,3})?(h|m|s|ms))+$|^-?[0-9]{1,7}$"}
      ],
      "description": "Seconds, or a text like \"5m\"."
     },
     "options": {"type": ["object", "null"]}
    }
   },
   "response": {
    "type": "object", "required": ["embedding"],
    "properties": {"embedding": {"type": "array", "items": {"type": "number"}}}
   },
   "errors": [404, 409, 501, 504, 507]
  },
  "GET /api/version": {
   "response": {"type": "object", "required": ["version"], "properties": {"version": {"type": "string"}}}
  },
  "GET /": {"response": {"type": "string"}, "media": ["text/plain"]}
 }
})json";

}  // namespace

std::string_view ollama_description() { return kDescription; }

}  // namespace gantry::dialects
