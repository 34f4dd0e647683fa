/* What the host offers to a plugin. Everything but logging is asked for by extension id and may be NULL. */
#ifndef GANTRY_HOST_H
#define GANTRY_HOST_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GANTRY_LOG_TRACE = 0, GANTRY_LOG_DEBUG = 1, GANTRY_LOG_INFO = 2, GANTRY_LOG_WARN = 3, GANTRY_LOG_ERROR = 4 };

/* Valid from the entry call until the backend's destroy has returned. */
typedef struct gantry_host gantry_host_t;
struct gantry_host {
    uint32_t struct_size;
    uint32_t abi_version; /* the newest ABI that the host speaks */
    void* ctx;            /* the host's own; plugins pass `self` and leave this alone */
    gantry_str_t name;    /* "gantry" */
    gantry_str_t version; /* "0.1.0", for logs only: never decide on it */
    /* Writes one line to the host's log. [any] */
    void(GANTRY_CALL* log)(const gantry_host_t* self, int32_t level, gantry_str_t message);
    /* The table of a host extension, or NULL. Lives as long as the host. [any] */
    const void*(GANTRY_CALL* get_extension)(const gantry_host_t* self, const char* id);
};

/* The CPU budget of this process. Plugins start no more busy threads than `thread_count`. */
#define GANTRY_HOST_THREADS "gantry.host.threads/1"
typedef struct gantry_host_threads {
    uint32_t struct_size;
    uint32_t thread_count; /* >= 1 */
    const uint32_t* cpus;  /* logical CPU numbers to pin to, cpu_count of them; NULL: do not pin */
    uint32_t cpu_count;
    int32_t numa_node; /* -1: any */
} gantry_host_threads_t;

/* Named counters and gauges that the host exports with the plugin's id as a label. */
#define GANTRY_HOST_METRICS "gantry.host.metrics/1"
typedef struct gantry_host_metrics {
    uint32_t struct_size;
    uint32_t reserved;
    /* Adds `delta` to a counter. [any] */
    void(GANTRY_CALL* counter_add)(const gantry_host_t* host, gantry_str_t name, double delta);
    /* Sets a gauge. [any] */
    void(GANTRY_CALL* gauge_set)(const gantry_host_t* host, gantry_str_t name, double value);
} gantry_host_metrics_t;

/* Memory that the host accounts to the model. */
#define GANTRY_HOST_SCRATCH "gantry.host.scratch/1"
typedef struct gantry_host_scratch {
    uint32_t struct_size;
    uint32_t reserved;
    /* `size` bytes aligned to `alignment` (a power of two), or NULL. [any] */
    void*(GANTRY_CALL* allocate)(const gantry_host_t* host, uint64_t size, uint64_t alignment);
    /* Frees what allocate gave; NULL is fine. [any] */
    void(GANTRY_CALL* release)(const gantry_host_t* host, void* memory);
} gantry_host_scratch_t;

/* A model as it lies on disk, whatever its file format was, in the canonical vocabulary (docs/sdk/vocabulary.md).
 * Valid during the call that it was passed to; mapped tensors until the model's destroy, if the call was load. */
typedef struct gantry_manifest gantry_manifest_t;
struct gantry_manifest {
    uint32_t struct_size;
    uint32_t reserved;
    void* ctx;
    gantry_str_t architecture; /* "llama", "qwen2", ... */
    /* Hyperparameters by canonical name. Each returns 1 and sets *out where the key exists with that type, else 0.
       Integers are not converted from floats. Arrays: *out borrows `*count` elements. [main] */
    int32_t(GANTRY_CALL* get_int)(const gantry_manifest_t* self, const char* key, int64_t* out);
    int32_t(GANTRY_CALL* get_float)(const gantry_manifest_t* self, const char* key, double* out);
    int32_t(GANTRY_CALL* get_bool)(const gantry_manifest_t* self, const char* key, int32_t* out);
    int32_t(GANTRY_CALL* get_string)(const gantry_manifest_t* self, const char* key, gantry_str_t* out);
    int32_t(GANTRY_CALL* get_float_array)(const gantry_manifest_t* self, const char* key, const double** out,
                                          uint64_t* count);
    int32_t(GANTRY_CALL* get_int_array)(const gantry_manifest_t* self, const char* key, const int64_t** out,
                                        uint64_t* count);
    /* Tensors are numbered 0 .. tensor_count-1 in file order. [main] */
    uint64_t tensor_count;
    gantry_str_t(GANTRY_CALL* tensor_name)(const gantry_manifest_t* self, uint64_t index);
    /* The number of a tensor by canonical name, or -1. [main] */
    int64_t(GANTRY_CALL* find_tensor)(const gantry_manifest_t* self, gantry_str_t name);
    /* Shape, type and size; `data` is set only where the tensor can be mapped and the call is load. During assess data
       is NULL. [main; any during load] */
    gantry_error_t*(GANTRY_CALL* tensor)(const gantry_manifest_t* self, uint64_t index, gantry_tensor_view_t* out);
    /* The plugin has copied this tensor and will not read it again: its pages may go. [main; any during load] */
    void(GANTRY_CALL* tensor_done)(const gantry_manifest_t* self, uint64_t index);
};

#ifdef __cplusplus
}
#endif
#endif
