#include "api/dialects/descriptions.hpp"

namespace gantry::dialects {

namespace {

/// Gantry's own routes.
constexpr std::string_view kDescription = R"json({
 "schemas": {
  "Model": {
   "type": "object",
   "required": [
    "uid", "model_name", "model_path", "state", "stage", "bytes_done", "bytes_total", "error", "engine", "plan",
    "architecture", "format", "quantization", "abilities", "parameter_count", "context_length", "memory_bytes",
    "created", "ready_since", "adapters", "pid", "restarts", "keep_alive_s", "on_demand", "pinned", "parked",
    "in_use", "last_used", "expires", "replicas", "log_tail"
   ],
   "properties": {
    "uid": {"type": "string"}, "model_name": {"type": ["string", "null"]}, "model_path": {"type": "string"},
    "state": {"type": "string"}, "stage": {"type": "string"}, "bytes_done": {"type": "integer"},
    "bytes_total": {"type": "integer"}, "error": {"type": ["object", "null"]}, "engine": {"type": "string"},
    "plan": {"type": "string"}, "architecture": {"type": "string"}, "format": {"type": "string"},
    "quantization": {"type": ["string", "null"]}, "abilities": {"type": "array", "items": {"type": "string"}},
    "parameter_count": {"type": "integer"}, "context_length": {"type": ["integer", "null"]},
    "memory_bytes": {"type": "integer"}, "created": {"type": "integer"},
    "ready_since": {"type": ["integer", "null"]},
    "adapters": {"type": "object", "additionalProperties": {"type": "string"}}, "pid": {"type": "integer"},
    "restarts": {"type": "integer"}, "keep_alive_s": {"type": ["integer", "null"]}, "on_demand": {"type": "boolean"},
    "pinned": {"type": "boolean"}, "parked": {"type": "boolean"}, "in_use": {"type": "integer"},
    "last_used": {"type": ["integer", "null"]}, "expires": {"type": ["integer", "null"]},
    "replicas": {"type": "array", "items": {"$ref": "#/components/schemas/Replica"}},
    "log_tail": {"type": "array", "items": {"type": "string"}}, "chat_template": {"type": "string"},
    "tool_parser": {"type": "string"}, "reasoning_tag": {"type": "string"},
    "encoder": {
     "type": "object", "required": ["width", "dimensions", "labels", "prompts"],
     "properties": {
      "width": {"type": "integer"}, "dimensions": {"type": "array"}, "labels": {"type": "array"},
      "prompts": {"type": "array"}
     }
    }
   }
  },
  "Device": {
   "type": "object",
   "required": ["index", "kind", "name", "features", "memory_total", "memory_free", "unified", "plugin"],
   "properties": {
    "index": {"type": "integer"}, "kind": {"type": "string"}, "name": {"type": "string"},
    "features": {"type": "string"}, "memory_total": {"type": "integer"}, "memory_free": {"type": "integer"},
    "unified": {"type": "boolean"}, "plugin": {"type": "string"}
   }
  }
 },
 "operations": {
  "GET /gantry/v1/backends": {
   "response": {
    "type": "object", "required": ["abi", "plugins"],
    "properties": {
     "abi": {"type": "string"},
     "plugins": {
      "type": "array",
      "items": {
       "type": "object", "required": ["id", "state"],
       "properties": {
        "id": {"type": "string"}, "state": {"type": "string"},
        "devices": {"type": "array", "items": {"type": "object"}}
       }
      }
     }
    }
   },
   "errors": [504]
  },
  "GET /gantry/v1/models": {
   "response": {
    "type": "object", "required": ["models", "memory"],
    "properties": {
     "models": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}},
     "memory": {"$ref": "#/components/schemas/Memory"}
    }
   }
  },
  "GET /gantry/v1/models/{uid}": {"response": {"$ref": "#/components/schemas/Model"}},
  "GET /gantry/v1/models/{uid}/stats": {
   "response": {
    "type": "object", "required": ["waiting", "running"],
    "properties": {
     "waiting": {"type": "integer"}, "running": {"type": "integer"}, "requests": {"type": "integer"},
     "finished": {"type": "integer"}, "metrics": {"type": "array", "items": {"type": "object"}}
    }
   },
   "errors": [409]
  },
  "POST /gantry/v1/models/{uid}/sleep": {
   "response": {
    "type": "object", "required": ["uid", "state"],
    "properties": {"uid": {"type": "string"}, "state": {"type": "string"}}
   },
   "errors": [409, 501, 504, 507]
  },
  "POST /gantry/v1/models/{uid}/wake": {
   "response": {
    "type": "object", "required": ["uid", "state"],
    "properties": {"uid": {"type": "string"}, "state": {"type": "string"}}
   },
   "errors": [409, 501, 504, 507]
  },
  "POST /gantry/v1/models/{uid}/requests/{request_id}/abort": {"response": {"type": "object"}, "errors": [409]},
  "GET /gantry/v1/models/{uid}/adapters": {
   "response": {
    "type": "object", "required": ["adapters"],
    "properties": {
     "adapters": {
      "type": "array",
      "items": {
       "type": "object", "required": ["name", "path"],
       "properties": {"name": {"type": "string"}, "path": {"type": "string"}}
      }
     }
    }
   }
  },
  "POST /gantry/v1/models/{uid}/adapters": {
   "request": {
    "type": "object", "required": ["name", "path"],
    "properties": {"name": {"type": "string", "pattern": "^[!-9;-~]{1,100}$"}, "path": {"type": "string"}}
   },
   "response": {"type": "object"}, "errors": [409, 501, 504, 507]
  },
  "DELETE /gantry/v1/models/{uid}/adapters/{name}": {"response": {"type": "object"}, "errors": [409, 501, 504, 507]},
  "POST /gantry/v1/launch/plan": {
   "request": {"$ref": "#/components/schemas/Launch"},
   "response": {
    "type": "object",
    "required": [
     "uid", "model_name", "model_path", "engine", "context_length", "fits", "sum", "host_bytes", "device_bytes",
     "memory", "evicts", "error"
    ],
    "properties": {
     "uid": {"type": "string"}, "model_name": {"type": "string"}, "model_path": {"type": "string"},
     "engine": {"type": "string"}, "context_length": {"type": "integer"}, "fits": {"type": "boolean"},
     "sum": {"type": "string"}, "host_bytes": {"type": "integer"}, "device_bytes": {"type": "integer"},
     "memory": {"$ref": "#/components/schemas/Memory"}, "evicts": {"type": "array", "items": {"type": "string"}},
     "error": {"type": ["object", "null"]}
    }
   },
   "errors": [404, 409, 501, 504, 507]
  },
  "GET /gantry/v1/events": {
   "query": {
    "last_event_id": {"type": "string"},
    "since": {"type": "string", "description": "all: from the oldest event that is kept on"},
    "follow": {"type": "boolean"}
   },
   "response": {"description": "One event after another."}, "media": ["text/event-stream"]
  },
  "GET /gantry/v1/desired": {
   "response": {
    "type": "object", "required": ["models"],
    "properties": {
     "models": {
      "type": "array",
      "items": {
       "type": "object", "required": ["uid", "state", "parked", "failed_restores", "reason", "launch"],
       "properties": {
        "uid": {"type": "string"}, "state": {"type": "string"}, "parked": {"type": "boolean"},
        "failed_restores": {"type": "integer"}, "reason": {"type": "string"}, "launch": {"type": "object"}
       }
      }
     }
    }
   }
  },
  "GET /gantry/v1/queue": {
   "response": {
    "type": "object", "required": ["models"],
    "properties": {
     "models": {
      "type": "array",
      "items": {
       "type": "object", "required": ["uid", "state", "in_use"],
       "properties": {
        "uid": {"type": "string"}, "state": {"type": "string"}, "in_use": {"type": "integer"},
        "running": {"type": ["integer", "null"]}, "waiting": {"type": ["integer", "null"]}
       }
      }
     }
    }
   }
  },
  "GET /gantry/v1/devices": {
   "response": {
    "type": "object", "required": ["devices", "memory"],
    "properties": {
     "devices": {"type": "array", "items": {"$ref": "#/components/schemas/Device"}},
     "memory": {"$ref": "#/components/schemas/Memory"}
    }
   },
   "errors": [504]
  },
  "GET /gantry/v1/models/{uid}/logs": {
   "query": {"tail": {"type": "integer", "minimum": 0, "maximum": 9007199254740992}, "follow": {"type": "boolean"}},
   "response": {"type": "string"}, "media": ["text/plain"]
  },
  "POST /gantry/v1/models/{uid}/touch": {
   "request": {
    "type": "object",
    "properties": {
     "keep_alive": {
      "anyOf": [
       {"type": "null"}, {"type": "number", "maximum": 31622400},
       {"type": "string", "pattern": "^-?([0-9]{1,7}(\\.[0-9]{1,3})?(h|m|s|ms))+$|^-?[0-9]{1,7}$"}
      ],
      "description": "Seconds, or a text like \"5m\"."
     }
    }
   },
   "response": {
    "type": "object", "required": ["uid", "expires"],
    "properties": {"uid": {"type": "string"}, "expires": {"type": ["integer", "null"]}}
   }
  },
  "POST /gantry/v1/models/{uid}/replicas": {
   "request": {
    "type": "object", "properties": {"count": {"type": ["integer", "null"], "minimum": 1, "maximum": 64}}
   },
   "optional": true,
   "response": {
    "type": "object", "required": ["replicas"],
    "properties": {"replicas": {"type": "array", "items": {"$ref": "#/components/schemas/Replica"}}}
   },
   "errors": [409, 501, 504, 507]
  },
  "DELETE /gantry/v1/models/{uid}/replicas/{id}": {
   "path": {"id": {"type": "integer", "minimum": 0, "maximum": 2147483647}},
   "query": {"drain_s": {"type": "integer", "minimum": 0, "maximum": 86400}},
   "response": {
    "type": "object", "required": ["remaining_replicas"], "properties": {"remaining_replicas": {"type": "integer"}}
   },
   "errors": [409, 501, 504, 507]
  },
  "POST /gantry/v1/models/{uid}/replace": {
   "query": {"drain_s": {"type": "integer", "minimum": 0, "maximum": 86400}},
   "request": {"$ref": "#/components/schemas/Launch"},
   "response": {"type": "object", "required": ["uid"], "properties": {"uid": {"type": "string"}}},
   "errors": [409, 501, 504, 507]
  },
  "GET /gantry/v1/aliases": {
   "response": {
    "type": "object", "required": ["aliases"],
    "properties": {
     "aliases": {
      "type": "array",
      "items": {
       "type": "object", "required": ["name", "uid"],
       "properties": {"name": {"type": "string"}, "uid": {"type": "string"}}
      }
     }
    }
   }
  },
  "POST /gantry/v1/aliases": {
   "request": {
    "type": "object", "required": ["name", "uid"],
    "properties": {
     "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$", "not": {"type": "string", "pattern": "-rep[0-9]+$"}},
     "uid": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$", "not": {"type": "string", "pattern": "-rep[0-9]+$"}}
    }
   },
   "response": {
    "type": "object", "required": ["name", "uid"],
    "properties": {"name": {"type": "string"}, "uid": {"type": "string"}}
   },
   "errors": [404, 409]
  },
  "DELETE /gantry/v1/aliases/{name}": {
   "response": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
  },
  "POST /v1/load_lora_adapter": {
   "request": {
    "type": "object", "required": ["lora_name", "lora_path"],
    "properties": {
     "lora_name": {"type": "string"}, "lora_path": {"type": "string"}, "model": {"type": ["string", "null"]}
    }
   },
   "response": {"type": "string"}, "media": ["text/plain"], "errors": [404, 409, 501, 504, 507]
  },
  "POST /v1/unload_lora_adapter": {
   "request": {
    "type": "object", "required": ["lora_name"],
    "properties": {"lora_name": {"type": "string"}, "model": {"type": ["string", "null"]}}
   },
   "response": {"type": "string"}, "media": ["text/plain"], "errors": [404, 409, 501, 504, 507]
  },
  "POST /gantry/v1/models/{uid}/tokenize": {
   "request": {
    "type": "object", "required": ["text"],
    "properties": {"text": {"type": "string"}, "add_special": {"type": "boolean"}, "parse_special": {"type": "boolean"}}
   },
   "response": {
    "type": "object", "required": ["ids", "tokens"],
    "properties": {
     "ids": {"type": "array", "items": {"type": "integer"}},
     "tokens": {"type": "array", "items": {"type": "string"}}
    }
   },
   "errors": [409, 501, 504, 507]
  },
  "POST /gantry/v1/models/{uid}/detokenize": {
   "request": {
    "type": "object", "required": ["ids"],
    "properties": {
     "ids": {"type": "array", "items": {"type": "integer", "minimum": -2147483648, "maximum": 2147483647}},
     "skip_special": {"type": "boolean"}
    }
   },
   "response": {
    "type": "object", "required": ["text", "tokens"],
    "properties": {"text": {"type": "string"}, "tokens": {"type": "array", "items": {"type": "string"}}}
   },
   "errors": [409, 501, 504, 507]
  },
  "POST /gantry/v1/models/{uid}/template": {
   "request": {
    "type": "object", "required": ["messages"],
    "properties": {
     "messages": {"type": "array", "description": "As the model's template takes them."},
     "add_generation_prompt": {}, "tools": {}
    }
   },
   "response": {"type": "object", "required": ["prompt"], "properties": {"prompt": {"type": "string"}}},
   "errors": [409, 501, 504, 507]
  },
  "POST /gantry/v1/models/{uid}/prefix/save": {
   "request": {"type": "object"},
   "response": {
    "type": "object", "required": ["tokens", "bytes"],
    "properties": {"tokens": {"type": "integer"}, "bytes": {"type": "integer"}}
   },
   "errors": [409, 501, 504, 507]
  },
  "POST /gantry/v1/models/{uid}/prefix/restore": {
   "request": {"type": "object"},
   "response": {"type": "object", "required": ["tokens"], "properties": {"tokens": {"type": "integer"}}},
   "errors": [409, 501, 504, 507]
  }
 }
})json";

}  // namespace

std::string_view gantry_description() { return kDescription; }

}  // namespace gantry::dialects
