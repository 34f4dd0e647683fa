#include "api/dialects/descriptions.hpp"

namespace gantry::dialects {

namespace {

/// Embeddings, rerank, score, classify, tokenize.
constexpr std::string_view kDescription = R"json({
 "schemas": {
  "Text": {
   "type": ["string", "object"], "required": ["text"], "properties": {"text": {"type": "string"}},
   "description": "A text, or an object with a \"text\"."
  },
  "Texts": {
   "anyOf": [
    {"$ref": "#/components/schemas/Text"},
    {"type": "array", "items": {"$ref": "#/components/schemas/Text"}, "minItems": 1, "maxItems": 8192}
   ]
  },
  "RerankRequest": {
   "type": "object", "required": ["model", "query", "documents"],
   "properties": {
    "model": {"type": "string"}, "user": {"type": ["string", "null"], "maxLength": 64},
    "priority": {"type": ["integer", "null"], "minimum": -1000, "maximum": 1000},
    "truncate_prompt_tokens": {
     "type": ["integer", "null"], "minimum": -2147483647, "maximum": 2147483647, "not": {"const": 0}
    },
    "query": {"$ref": "#/components/schemas/Text"},
    "documents": {"type": "array", "items": {"$ref": "#/components/schemas/Text"}, "minItems": 1, "maxItems": 8192},
    "top_n": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647},
    "return_documents": {"type": ["boolean", "null"]}, "return_len": {"type": ["boolean", "null"]},
    "raw_scores": {"type": ["boolean", "null"]}
   }
  },
  "Rerank": {
   "type": "object", "required": ["id", "object", "model", "results", "meta", "usage"],
   "properties": {
    "id": {"type": "string"}, "object": {"const": "list"}, "model": {"type": "string"},
    "results": {
     "type": "array",
     "items": {
      "type": "object", "required": ["index", "relevance_score", "document"],
      "properties": {
       "index": {"type": "integer"}, "relevance_score": {"type": "number"}, "document": {"type": ["object", "null"]}
      }
     }
    },
    "meta": {"type": "object"},
    "usage": {
     "type": "object", "required": ["prompt_tokens", "total_tokens"],
     "properties": {"prompt_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}}
    }
   }
  },
  "Scores": {
   "type": "object", "required": ["id", "object", "created", "model", "data", "usage"],
   "properties": {
    "id": {"type": "string"}, "object": {"const": "list"}, "created": {"type": "integer"},
    "model": {"type": "string"},
    "data": {
     "type": "array",
     "items": {
      "type": "object", "required": ["index", "object", "score"],
      "properties": {"index": {"type": "integer"}, "object": {"const": "score"}, "score": {"type": "number"}}
     }
    },
    "usage": {
     "type": "object", "required": ["prompt_tokens", "total_tokens"],
     "properties": {"prompt_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}}
    }
   }
  },
  "Classes": {
   "type": "object", "required": ["id", "object", "created", "model", "data", "usage"],
   "properties": {
    "id": {"type": "string"}, "object": {"const": "list"}, "created": {"type": "integer"},
    "model": {"type": "string"},
    "data": {
     "type": "array",
     "items": {
      "type": "object", "required": ["index", "label", "probs", "num_classes"],
      "properties": {
       "index": {"type": "integer"}, "label": {"type": ["string", "null"]},
       "probs": {"type": "array", "items": {"type": "number"}}, "num_classes": {"type": "integer"}
      }
     }
    },
    "usage": {
     "type": "object", "required": ["prompt_tokens", "total_tokens"],
     "properties": {"prompt_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}}
    }
   }
  },
  "TokenizeRequest": {
   "type": "object",
   "properties": {
    "model": {"type": ["string", "null"]}, "prompt": {"type": ["string", "null"]},
    "messages": {"type": ["array", "null"], "description": "As the model's template takes them."},
    "add_special_tokens": {"type": ["boolean", "null"]}, "return_token_strs": {"type": ["boolean", "null"]},
    "add_generation_prompt": {"type": ["boolean", "null"]}
   },
   "anyOf": [
    {"required": ["prompt"], "properties": {"prompt": {"type": "string"}}},
    {"required": ["messages"], "properties": {"messages": {"type": "array"}}}
   ]
  }
 },
 "operations": {
  "POST /v1/embeddings": {
   "request": {
    "type": "object", "required": ["model", "input"],
    "properties": {
     "model": {"type": "string"}, "user": {"type": ["string", "null"], "maxLength": 64},
     "priority": {"type": ["integer", "null"], "minimum": -1000, "maximum": 1000},
     "truncate_prompt_tokens": {
      "type": ["integer", "null"], "minimum": -2147483647, "maximum": 2147483647, "not": {"const": 0}
     },
     "input": {
      "anyOf": [
       {"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 8192},
       {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}, "minItems": 1}
      ]
     },
     "encoding_format": {"enum": ["float", "base64", null]},
     "dimensions": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647}
    }
   },
   "response": {
    "type": "object", "required": ["object", "model", "model_replica", "data", "usage"],
    "properties": {
     "object": {"const": "list"}, "model": {"type": "string"}, "model_replica": {"type": "string"},
     "data": {
      "type": "array",
      "items": {
       "type": "object", "required": ["index", "object", "embedding"],
       "properties": {
        "index": {"type": "integer"}, "object": {"const": "embedding"},
        "embedding": {"type": ["array", "string"], "items": {"type": "number"}}
       }
      }
     },
     "usage": {
      "type": "object", "required": ["prompt_tokens", "total_tokens"],
      "properties": {"prompt_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}}
     }
    }
   },
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /v1/embed": {
   "request": {
    "type": "object", "required": ["model", "texts"],
    "properties": {
     "model": {"type": "string"},
     "texts": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 8192},
     "input_type": {"enum": ["search_document", "search_query", "classification", "clustering", null]},
     "output_dimension": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647}
    }
   },
   "response": {
    "type": "object", "required": ["id", "response_type", "embeddings", "texts", "meta"],
    "properties": {
     "id": {"type": "string"}, "response_type": {"type": "string"}, "embeddings": {"type": ["array", "object"]},
     "texts": {"type": "array", "items": {"type": "string"}}, "meta": {"type": "object"}
    }
   },
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /v2/embed": {
   "request": {
    "type": "object", "required": ["model", "texts"],
    "properties": {
     "model": {"type": "string"},
     "texts": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 8192},
     "input_type": {"enum": ["search_document", "search_query", "classification", "clustering", null]},
     "output_dimension": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647}
    }
   },
   "response": {
    "type": "object", "required": ["id", "response_type", "embeddings", "texts", "meta"],
    "properties": {
     "id": {"type": "string"}, "response_type": {"type": "string"}, "embeddings": {"type": ["array", "object"]},
     "texts": {"type": "array", "items": {"type": "string"}}, "meta": {"type": "object"}
    }
   },
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /v1/rerank": {
   "request": {"$ref": "#/components/schemas/RerankRequest"}, "response": {"$ref": "#/components/schemas/Rerank"},
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /rerank": {
   "request": {"$ref": "#/components/schemas/RerankRequest"}, "response": {"$ref": "#/components/schemas/Rerank"},
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /v2/rerank": {
   "request": {"$ref": "#/components/schemas/RerankRequest"}, "response": {"$ref": "#/components/schemas/Rerank"},
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /v1/score": {
   "request": {
    "type": "object", "required": ["model", "text_1", "text_2"],
    "properties": {
     "model": {"type": "string"}, "user": {"type": ["string", "null"], "maxLength": 64},
     "priority": {"type": ["integer", "null"], "minimum": -1000, "maximum": 1000},
     "truncate_prompt_tokens": {
      "type": ["integer", "null"], "minimum": -2147483647, "maximum": 2147483647, "not": {"const": 0}
     },
     "text_1": {"$ref": "#/components/schemas/Texts"}, "text_2": {"$ref": "#/components/schemas/Texts"}
    }
   },
   "response": {"$ref": "#/components/schemas/Scores"}, "errors": [404, 409, 501, 504, 507]
  },
  "POST /score": {
   "request": {
    "type": "object", "required": ["model", "text_1", "text_2"],
    "properties": {
     "model": {"type": "string"}, "user": {"type": ["string", "null"], "maxLength": 64},
     "priority": {"type": ["integer", "null"], "minimum": -1000, "maximum": 1000},
     "truncate_prompt_tokens": {
      "type": ["integer", "null"], "minimum": -2147483647, "maximum": 2147483647, "not": {"const": 0}
     },
     "text_1": {"$ref": "#/components/schemas/Texts"}, "text_2": {"$ref": "#/components/schemas/Texts"}
    }
   },
   "response": {"$ref": "#/components/schemas/Scores"}, "errors": [404, 409, 501, 504, 507]
  },
  "POST /v1/classify": {
   "request": {
    "type": "object", "required": ["model", "input"],
    "properties": {
     "model": {"type": "string"}, "user": {"type": ["string", "null"], "maxLength": 64},
     "priority": {"type": ["integer", "null"], "minimum": -1000, "maximum": 1000},
     "truncate_prompt_tokens": {
      "type": ["integer", "null"], "minimum": -2147483647, "maximum": 2147483647, "not": {"const": 0}
     },
     "input": {"$ref": "#/components/schemas/Texts"}
    }
   },
   "response": {"$ref": "#/components/schemas/Classes"}, "errors": [404, 409, 501, 504, 507]
  },
  "POST /classify": {
   "request": {
    "type": "object", "required": ["model", "input"],
    "properties": {
     "model": {"type": "string"}, "user": {"type": ["string", "null"], "maxLength": 64},
     "priority": {"type": ["integer", "null"], "minimum": -1000, "maximum": 1000},
     "truncate_prompt_tokens": {
      "type": ["integer", "null"], "minimum": -2147483647, "maximum": 2147483647, "not": {"const": 0}
     },
     "input": {"$ref": "#/components/schemas/Texts"}
    }
   },
   "response": {"$ref": "#/components/schemas/Classes"}, "errors": [404, 409, 501, 504, 507]
  },
  "POST /v1/tokenize": {
   "request": {"$ref": "#/components/schemas/TokenizeRequest"},
   "response": {
    "type": "object", "required": ["count", "max_model_len", "tokens", "token_strs"],
    "properties": {
     "count": {"type": "integer"}, "max_model_len": {"type": "integer"},
     "tokens": {"type": "array", "items": {"type": "integer"}},
     "token_strs": {"type": ["array", "null"], "items": {"type": "string"}}
    }
   },
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /tokenize": {
   "request": {"$ref": "#/components/schemas/TokenizeRequest"},
   "response": {
    "type": "object", "required": ["count", "max_model_len", "tokens", "token_strs"],
    "properties": {
     "count": {"type": "integer"}, "max_model_len": {"type": "integer"},
     "tokens": {"type": "array", "items": {"type": "integer"}},
     "token_strs": {"type": ["array", "null"], "items": {"type": "string"}}
    }
   },
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /v1/detokenize": {
   "request": {
    "type": "object", "required": ["tokens"],
    "properties": {
     "model": {"type": ["string", "null"]},
     "tokens": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}}
    }
   },
   "response": {"type": "object", "required": ["prompt"], "properties": {"prompt": {"type": "string"}}},
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /detokenize": {
   "request": {
    "type": "object", "required": ["tokens"],
    "properties": {
     "model": {"type": ["string", "null"]},
     "tokens": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}}
    }
   },
   "response": {"type": "object", "required": ["prompt"], "properties": {"prompt": {"type": "string"}}},
   "errors": [404, 409, 501, 504, 507]
  },
  "POST /v1/convert_ids_to_tokens": {
   "request": {
    "type": "object", "required": ["input"],
    "properties": {"model": {"type": ["string", "null"]}, "input": {
      "type": "array", "maxItems": 8192,
      "anyOf": [
       {"items": {"type": "integer", "minimum": 0, "maximum": 2147483647}},
       {"items": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}}}
      ]
     }}
   },
   "response": {"type": "array"}, "errors": [404, 409, 501, 504, 507]
  }
 }
})json";

}  // namespace

std::string_view encode_description() { return kDescription; }

}  // namespace gantry::dialects
