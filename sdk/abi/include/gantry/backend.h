/* What a plugin gives: the entry, devices, assess, load. */
#ifndef GANTRY_BACKEND_H
#define GANTRY_BACKEND_H

#include "abi.h"
#include "host.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gantry_backend gantry_backend_t;
typedef struct gantry_model gantry_model_t;

enum { GANTRY_DEVICE_CPU = 1, GANTRY_DEVICE_GPU = 2, GANTRY_DEVICE_ACCELERATOR = 3 };

typedef struct gantry_device {
    uint32_t struct_size;
    int32_t kind;          /* GANTRY_DEVICE_* */
    uint32_t index;        /* the number by which load and assess name it */
    uint32_t unified;      /* 1: shares the host's memory, so its bytes count against the host's */
    gantry_str_t name;     /* "AMD EPYC 9354", "NVIDIA H100"; lives as long as the backend */
    gantry_str_t features; /* space-separated: "avx512 vnni bf16"; lives as long as the backend */
    uint64_t memory_total; /* bytes */
    uint64_t memory_free;  /* bytes, now, other programs' use included */
    gantry_str_t peers;    /* space-separated indices that form a device group with it (NVLink, xGMI); may be empty */
} gantry_device_t;

/* What load is asked for and assess judges. Zero or NULL leaves a choice to the plugin. */
typedef struct gantry_load_spec {
    uint32_t struct_size;
    uint32_t device_count;
    const uint32_t* devices; /* a device group, in rank order; empty: the plugin's first device */
    uint32_t block_size;     /* tokens a KV block */
    uint32_t reserved;
    uint64_t block_count;     /* KV blocks; during assess 0 */
    uint32_t max_step_tokens; /* most tokens in one execute, all sequences together */
    uint32_t max_sequences;   /* most sequences in one execute */
    uint32_t max_logit_rows;  /* most rows that want logits in one execute */
    uint32_t max_context;     /* tokens, prompt and answer */
    uint32_t state_slots;     /* slots for recurrent state; 0 where the model has none */
    uint32_t option_count;
    const gantry_option_t* options;
} gantry_load_spec_t;

/* The answer of assess. Bytes are on the devices named (or the host, where the device is unified). */
typedef struct gantry_assessment {
    uint32_t struct_size;
    int32_t score; /* 0: runs, but only as an oracle; 100: what this plugin is made for. The host takes the highest. */
    uint64_t weights_bytes;      /* private copies: what is used in place from the mapped file is in mapped_bytes */
    uint64_t mapped_bytes;       /* read in place from the file */
    uint64_t kv_bytes_per_block; /* one block of every layer */
    uint64_t scratch_bytes;      /* everything else at the spec's limits */
    uint64_t state_bytes_per_slot;
    uint32_t block_size;  /* what load will use */
    uint32_t max_context; /* the most that the model and the plugin allow */
} gantry_assessment_t;

/* Both are optional. Returning 0 from keep_going asks the plugin to stop: load then fails with
 * GANTRY_ERR_CANCELLED soon (within 100 ms of work) and frees all. [called on load's own thread or its workers,
 * never after load returned] */
typedef struct gantry_progress {
    uint32_t struct_size;
    uint32_t reserved;
    void* ctx;
    int32_t(GANTRY_CALL* keep_going)(void* ctx);
    /* stage: "map", "repack", "upload", "warm-up"; done and total in bytes. */
    void(GANTRY_CALL* report)(void* ctx, gantry_str_t stage, uint64_t done, uint64_t total);
} gantry_progress_t;

typedef struct gantry_model_info {
    uint32_t struct_size;
    uint32_t vocab_size;  /* width of a logits row; 0 where it has none */
    uint32_t hidden_size; /* width of an input embedding or a pooled vector */
    uint32_t max_context;
    uint32_t block_size;
    uint32_t max_step_tokens;
    uint32_t max_sequences;
    uint32_t max_logit_rows;
    uint64_t block_count;
    uint64_t state_slots;
    uint64_t weights_bytes; /* as allocated */
    uint64_t kv_bytes;      /* as allocated, all blocks */
    uint64_t scratch_bytes; /* as allocated */
    gantry_str_t plan;      /* one line for people: dtypes, kernels, threads; lives as long as the model */
} gantry_model_info_t;

struct gantry_model {
    uint32_t struct_size;
    uint32_t reserved;
    void* ctx;
    /* [engine] */
    gantry_error_t*(GANTRY_CALL* info)(gantry_model_t* self, gantry_model_info_t* out);
    /* Table of an extension ("gantry.causal-lm/1"), or NULL. Lives as long as the model. [engine] */
    const void*(GANTRY_CALL* get_extension)(gantry_model_t* self, const char* id);
    /* Frees all; no callback of this model runs afterwards. Accepts NULL. [engine, nothing running] */
    void(GANTRY_CALL* destroy)(gantry_model_t* self);
};

struct gantry_backend {
    uint32_t struct_size;
    uint32_t reserved;
    void* ctx;
    gantry_str_t id;      /* as in plugin.toml */
    gantry_str_t version; /* the plugin's own */
    /* Devices 0 .. *count-1, and why there are none, or fewer than expected (*why, may be empty). Cheap: at most
       100 ms. Both live as long as the backend. [main] */
    gantry_error_t*(GANTRY_CALL* devices)(gantry_backend_t* self, const gantry_device_t** out, uint32_t* count,
                                          gantry_str_t* why);
    /* Whether load would work and what it would take; reads no weights. Cannot = an error that says why
       (GANTRY_ERR_UNIMPLEMENTED for an architecture or type, INVALID_ARGUMENT for an option or a damaged model). [main]
     */
    gantry_error_t*(GANTRY_CALL* assess)(gantry_backend_t* self, const gantry_manifest_t* manifest,
                                         const gantry_load_spec_t* spec, gantry_assessment_t* out);
    /* Loads. Checks every tensor's presence, shape and type first. The manifest and the mapped data stay valid until
       the model's destroy. On failure nothing stays allocated. [main] */
    gantry_error_t*(GANTRY_CALL* load)(gantry_backend_t* self, const gantry_manifest_t* manifest,
                                       const gantry_load_spec_t* spec, const gantry_progress_t* progress,
                                       gantry_model_t** out);
    /* Table of a backend-wide extension, or NULL. [any] */
    const void*(GANTRY_CALL* get_extension)(gantry_backend_t* self, const char* id);
    /* After the last model's destroy. The library stays mapped. Accepts NULL. [main] */
    void(GANTRY_CALL* destroy)(gantry_backend_t* self);
};

typedef struct gantry_entry_args {
    uint32_t struct_size;
    uint32_t host_abi_min; /* in: the oldest and newest contract that the host speaks */
    uint32_t host_abi_max;
    uint32_t plugin_abi; /* out: the one that the plugin will speak, within the range */
    const gantry_host_t* host;
    gantry_backend_t* backend; /* out */
} gantry_entry_args_t;

/* The one symbol of a plugin. Must be cheap, start no thread and touch no device. A plugin that finds no version in
 * the range answers GANTRY_ERR_FAILED_PRECONDITION with both ranges in the message. [main] */
#define GANTRY_ENTRY_SYMBOL "gantry_backend_entry"
typedef gantry_error_t*(GANTRY_CALL* gantry_backend_entry_fn)(gantry_entry_args_t* args);

#ifdef __cplusplus
}
#endif
#endif
