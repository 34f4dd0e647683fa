#include "api/dialects/descriptions.hpp"

namespace gantry::dialects {

namespace {

/// Xinference's routes.
constexpr std::string_view kDescription = R"json({
 "schemas": {
  "Autostart": {
   "type": "object", "required": ["enabled", "priority", "max_retries", "retry_interval_seconds", "launch", "state"],
   "properties": {
    "enabled": {"type": "boolean"}, "priority": {"type": "integer"}, "max_retries": {"type": "integer"},
    "retry_interval_seconds": {"type": "integer"}, "launch": {"type": "object"},
    "state": {
     "type": "object", "required": ["instance_status", "failed_restores", "error"],
     "properties": {
      "instance_status": {"type": ["string", "null"]}, "failed_restores": {"type": "integer"},
      "error": {"type": ["string", "null"]}
     }
    }
   }
  },
  "Reload": {
   "type": "object",
   "required": ["operation_id", "model_uid", "status", "stage", "started_at", "weights_reused", "error"],
   "properties": {
    "operation_id": {"type": "string"}, "model_uid": {"type": "string"},
    "status": {"enum": ["reloading", "ready", "error"]}, "stage": {"type": "string"},
    "started_at": {"type": "integer"}, "weights_reused": {"type": "boolean"}, "error": {"type": ["string", "null"]}
   }
  },
  "AutostartSummary": {
   "type": "object", "required": ["models"],
   "properties": {
    "models": {
     "type": "array",
     "items": {
      "type": "object", "required": ["enabled", "model_uid"],
      "properties": {"enabled": {"type": "boolean"}, "model_uid": {"type": "string"}}
     }
    }
   }
  }
 },
 "operations": {
  "POST /v1/models": {
   "query": {"wait_ready": {"type": "boolean"}}, "request": {"$ref": "#/components/schemas/Launch"},
   "response": {"type": "object", "required": ["model_uid"], "properties": {"model_uid": {"type": "string"}}},
   "errors": [404, 409, 501, 504, 507]
  },
  "GET /v1/models": {
   "response": {
    "type": "object", "required": ["object", "data"],
    "properties": {
     "object": {"const": "list"},
     "data": {
      "type": "array",
      "items": {
       "type": "object", "required": ["id", "object", "created", "owned_by", "model_type"],
       "properties": {
        "id": {"type": "string"}, "object": {"const": "model"}, "created": {"type": "integer"},
        "owned_by": {"type": "string"}, "model_type": {"type": "string"}
       }
      }
     }
    }
   }
  },
  "GET /v1/models/instances": {
   "query": {"model_name": {"type": "string"}, "model_uid": {"type": "string"}},
   "response": {
    "type": "array",
    "items": {
     "type": "object",
     "required": [
      "model_name", "model_uid", "model_version", "model_ability", "replica", "status", "instance_created_ts",
      "n_worker", "replica_statuses"
     ],
     "properties": {
      "model_name": {"type": ["string", "null"]}, "model_uid": {"type": "string"},
      "model_version": {"type": ["string", "null"]}, "model_ability": {"type": "array", "items": {"type": "string"}},
      "replica": {"type": "integer"}, "status": {"type": "string"},
      "instance_created_ts": {"type": ["integer", "null"]}, "n_worker": {"type": "integer"},
      "replica_statuses": {
       "type": "array",
       "items": {
        "type": "object",
        "required": [
         "replica_id", "replica_model_uid", "worker_address", "model_address", "accelerators", "status",
         "model_state", "created_ts", "error_message", "replica_uid", "gpu_idx"
        ],
        "properties": {
         "replica_id": {"type": "integer"}, "replica_model_uid": {"type": "string"},
         "worker_address": {"type": "string"}, "model_address": {"type": ["string", "null"]},
         "accelerators": {"type": ["array", "null"]}, "status": {"type": "string"},
         "model_state": {"type": "string"}, "created_ts": {"type": ["integer", "null"]},
         "error_message": {"type": ["string", "null"]}, "replica_uid": {"type": ["string", "null"]}, "gpu_idx": {}
        }
       }
      }
     }
    }
   }
  },
  "GET /v1/models/vllm-supported": {
   "response": {
    "type": "object", "required": ["chat", "generate"],
    "properties": {
     "chat": {"type": "array", "items": {"type": "string"}},
     "generate": {"type": "array", "items": {"type": "string"}}
    }
   }
  },
  "GET /v1/models/{uid}": {
   "response": {
    "type": "object", "required": ["id", "object", "created", "owned_by", "model_type"],
    "properties": {
     "id": {"type": "string"}, "object": {"const": "model"}, "created": {"type": "integer"},
     "owned_by": {"type": "string"}, "model_type": {"type": "string"}
    }
   }
  },
  "DELETE /v1/models/{uid}": {
   "query": {"drain_s": {"type": "integer", "minimum": 0, "maximum": 86400}}, "response": {"type": "null"},
   "errors": [409, 504]
  },
  "GET /v1/models/{uid}/progress": {
   "response": {
    "type": "object", "required": ["progress", "stage", "replicas"],
    "properties": {
     "progress": {"type": "number"}, "stage": {"type": "string"},
     "replicas": {"type": "array", "items": {"type": "object"}}
    }
   }
  },
  "POST /v1/models/{uid}/cancel": {"response": {"type": "null"}, "errors": [409]},
  "POST /v1/models/{uid}/requests/{request_id}/abort": {
   "response": {
    "type": "object", "required": ["msg"], "properties": {"msg": {"enum": ["DONE", "NOT_FOUND", "NO_OP"]}}
   }
  },
  "GET /v1/models/{uid}/replicas": {"response": {"type": "array", "items": {"type": "object"}}},
  "POST /v1/models/{uid}/replicas": {
   "request": {
    "type": ["object", "null"],
    "properties": {"replica": {"type": ["integer", "null"], "minimum": 1, "maximum": 64}}
   },
   "optional": true, "response": {"type": "object"}, "errors": [409, 507, 422]
  },
  "DELETE /v1/models/{uid}/replicas/{replica_id}": {
   "path": {"replica_id": {"type": "integer", "minimum": 0, "maximum": 2147483647}},
   "response": {
    "type": "object", "required": ["remaining_replicas"], "properties": {"remaining_replicas": {"type": "integer"}}
   },
   "errors": [422]
  },
  "GET /v1/models/{uid}/events": {
   "response": {
    "type": "array",
    "items": {
     "type": "object", "required": ["event_type", "event_ts", "event_content"],
     "properties": {
      "event_type": {"type": "string"}, "event_ts": {"type": "integer"}, "event_content": {"type": "string"}
     }
    }
   }
  },
  "POST /v1/models/{uid}/reload": {
   "request": {
    "type": "object", "required": ["model_config"],
    "properties": {
     "model_config": {"type": "object"}, "python_executable": {},
     "drain_timeout": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 3600}
    }
   },
   "status": "202", "response": {"$ref": "#/components/schemas/Reload"}, "errors": [409, 501, 507]
  },
  "GET /v1/models/{uid}/reload": {
   "response": {
    "anyOf": [
     {"$ref": "#/components/schemas/Reload"},
     {"type": "object", "required": ["status"], "properties": {"status": {"const": "idle"}}}
    ]
   }
  },
  "GET /v1/models/{uid}/reload/config": {
   "response": {
    "type": "object", "required": ["engine", "parameters", "can_upgrade_environment"],
    "properties": {
     "engine": {"type": ["string", "null"]}, "parameters": {"type": "object"},
     "can_upgrade_environment": {"type": "boolean"}
    }
   }
  },
  "POST /v1/api/relaunch": {"request": {}, "optional": true, "response": {}, "errors": [409]},
  "POST /v1/supervisor/relaunch": {"request": {}, "optional": true, "response": {}, "errors": [409]},
  "POST /v1/workers/{address}/relaunch": {"request": {}, "optional": true, "response": {}, "errors": [409]},
  "GET /v1/api-relaunches": {"response": {"type": "array", "items": {}}},
  "GET /v1/api-relaunches/{operation}": {"response": {}},
  "GET /v1/supervisor-relaunches": {"response": {"type": "array", "items": {}}},
  "GET /v1/supervisor-relaunches/{operation}": {"response": {}},
  "GET /v1/worker-relaunches": {"response": {"type": "array", "items": {}}},
  "GET /v1/worker-relaunches/{operation}": {"response": {}},
  "GET /v1/autostart/models": {
   "response": {
    "type": "object", "required": ["models"],
    "properties": {"models": {"type": "array", "items": {"$ref": "#/components/schemas/Autostart"}}}
   }
  },
  "GET /v1/autostart/models/summary": {"response": {"$ref": "#/components/schemas/AutostartSummary"}},
  "POST /v1/autostart/models": {
   "request": {
    "type": "object",
    "properties": {
     "enabled": {"enum": [true, null]}, "launch": {"$ref": "#/components/schemas/Launch"},
     "priority": {"type": ["integer", "null"], "minimum": -2147483648, "maximum": 2147483647},
     "max_retries": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647},
     "retry_interval_seconds": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647}
    },
    "anyOf": [{"required": ["launch"]}, {"$ref": "#/components/schemas/Launch"}]
   },
   "response": {"$ref": "#/components/schemas/Autostart"},
   "errors": [404, 409, 422, 501, 507]
  },
  "DELETE /v1/autostart/models/{uid}": {"response": {"$ref": "#/components/schemas/AutostartSummary"}},
  "GET /v1/cache/models": {
   "query": {"model_name": {"type": "string"}},
   "response": {
    "type": "object", "required": ["list"], "properties": {"list": {"type": "array", "items": {"type": "object"}}}
   }
  },
  "GET /v1/cache/models/files": {
   "query": {"model_version": {"type": "string"}},
   "response": {
    "type": "object", "required": ["model_version", "worker_ip", "paths"],
    "properties": {
     "model_version": {"type": "string"}, "worker_ip": {"type": "string"},
     "paths": {"type": "array", "items": {"type": "string"}}
    }
   }
  },
  "DELETE /v1/cache/models": {
   "query": {"model_version": {"type": "string"}},
   "response": {"type": "object", "required": ["result"], "properties": {"result": {"type": "boolean"}}},
   "errors": [409]
  },
  "DELETE /v1/clusters": {"response": {}},
  "POST /v1/model_registrations/{type}": {
   "path": {"type": {"enum": ["LLM", "embedding", "rerank", "image", "audio", "video", "flexible"]}},
   "request": {
    "type": "object", "required": ["model"],
    "properties": {
     "model": {"type": "string", "description": "The registration, as JSON text."},
     "persist": {"type": ["boolean", "null"]}
    }
   },
   "response": {"type": "null"}, "errors": [409]
  },
  "DELETE /v1/model_registrations/{type}/{name}": {
   "path": {"type": {"enum": ["LLM", "embedding", "rerank", "image", "audio", "video", "flexible"]}},
   "response": {"type": "null"}, "errors": [409]
  },
  "GET /v1/model_registrations/{type}": {
   "path": {"type": {"enum": ["LLM", "embedding", "rerank", "image", "audio", "video", "flexible"]}},
   "query": {"detailed": {"type": "boolean"}},
   "response": {
    "type": "array",
    "items": {
     "type": "object", "required": ["model_name", "is_builtin"],
     "properties": {"model_name": {"type": "string"}, "is_builtin": {"type": "boolean"}}
    }
   }
  },
  "GET /v1/model_registrations/{type}/{name}": {
   "path": {"type": {"enum": ["LLM", "embedding", "rerank", "image", "audio", "video", "flexible"]}},
   "response": {"type": "object"}
  },
  "GET /v1/engines/{name}": {"response": {"type": ["object", "null"]}},
  "GET /v1/engines/{type}/{name}": {"response": {"type": ["object", "null"]}},
  "GET /v1/cluster/version": {
   "response": {
    "type": "object", "required": ["version", "full-revisionid"],
    "properties": {"version": {"type": "string"}, "full-revisionid": {}}
   }
  },
  "GET /v1/cluster/info": {
   "query": {"detailed": {"type": "boolean"}}, "response": {"type": "array", "items": {"type": "object"}}
  },
  "GET /v1/cluster/devices": {"response": {"type": "integer"}}, "GET /v1/address": {"response": {"type": "string"}},
  "GET /v1/workers": {"response": {"type": "array", "items": {"type": "object"}}},
  "GET /v1/supervisor": {
   "response": {
    "type": "object", "required": ["supervisor_ip"], "properties": {"supervisor_ip": {"type": "string"}}
   }
  },
  "POST /v1/audio/embeddings": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "POST /v1/images/inpainting": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "POST /v1/images/ocr": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "POST /v1/video/generations": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "POST /v1/video/generations/image": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "POST /v1/video/generations/flf": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "POST /v1/worlds/generations": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "POST /v1/flexible/infers": {"request": {}, "optional": true, "response": {}, "errors": [404]},
  "GET /v1/requests/{id}/progress": {"response": {}},
  "GET /status": {
   "response": {
    "type": "object", "required": ["uptime", "workers"],
    "properties": {"uptime": {"type": "integer"}, "workers": {"type": "object"}}
   }
  }
 }
})json";

}  // namespace

std::string_view xinference_description() { return kDescription; }

}  // namespace gantry::dialects
