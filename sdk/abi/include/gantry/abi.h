/* Gantry plugin ABI: the types that everything else is made of.
 *
 * Rules that hold for every header below <gantry/>:
 *  - C11 and C++17; one exported symbol a plugin (see backend.h); no host symbol is imported.
 *  - Every struct begins with `struct_size`, set by whoever fills it to GANTRY_SIZE of the last member that it knows.
 *    Tables and structs grow at their end only. A member exists if struct_size covers it and, for pointers, it is not
 *    NULL: use GANTRY_HAS. Sizes are never compared for equality.
 *  - Enumerations travel as int32_t; an unknown value is answered with GANTRY_ERR_UNIMPLEMENTED.
 *  - Strings are UTF-8 with a length, not necessarily NUL-terminated, and live as long as the call, unless said
 * otherwise.
 *  - Whoever allocates frees: objects carry their own destroy. Destroy functions accept NULL and return nothing.
 *  - No exception, longjmp or exit crosses the boundary, in either direction.
 *  - Out parameters are untouched on failure.
 *
 * Threads are named by guarantee, not by operating system thread:
 *  [any]     any thread, at any time, concurrently with everything else
 *  [main]    one call at a time per backend: entry, devices, assess, load, destroy of the backend
 *  [engine]  one call at a time per model; calls on different models run in parallel
 */
#ifndef GANTRY_ABI_H
#define GANTRY_ABI_H

#include <stddef.h>
#include <stdint.h>

#define GANTRY_ABI_MAJOR 0
#define GANTRY_ABI_MINOR 9
#define GANTRY_MAKE_VERSION(major, minor) (((uint32_t)(major) << 16) | (uint32_t)(minor))
#define GANTRY_ABI_VERSION GANTRY_MAKE_VERSION(GANTRY_ABI_MAJOR, GANTRY_ABI_MINOR)
#define GANTRY_VERSION_MAJOR(v) ((uint32_t)(v) >> 16)
#define GANTRY_VERSION_MINOR(v) ((uint32_t)(v)&0xffffu)

#if defined(_WIN32)
#define GANTRY_CALL __cdecl
#define GANTRY_EXPORT_ATTR __declspec(dllexport)
#else
#define GANTRY_CALL
#define GANTRY_EXPORT_ATTR __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
#define GANTRY_EXPORT extern "C" GANTRY_EXPORT_ATTR
#define GANTRY_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define GANTRY_EXPORT GANTRY_EXPORT_ATTR
#define GANTRY_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#endif

/* Size of struct T up to and including member `last`. */
#define GANTRY_SIZE(T, last) ((uint32_t)(offsetof(T, last) + sizeof(((T*)0)->last)))
/* Whether a struct that came from the other side has pointer member m. */
#define GANTRY_HAS(p, T, m) ((p)->struct_size >= GANTRY_SIZE(T, m) && (p)->m != NULL)
/* The same for members that are not pointers. */
#define GANTRY_COVERS(p, T, m) ((p)->struct_size >= GANTRY_SIZE(T, m))

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gantry_str {
    const char* data; /* may be NULL when size is 0 */
    uint64_t size;    /* bytes */
} gantry_str_t;

/* Canonical codes; frozen. They map one to one to the host's own. */
enum {
    GANTRY_ERR_INVALID_ARGUMENT = 1,
    GANTRY_ERR_NOT_FOUND = 2,
    GANTRY_ERR_FAILED_PRECONDITION = 3,
    GANTRY_ERR_OUT_OF_MEMORY = 4,
    GANTRY_ERR_CANCELLED = 5,
    GANTRY_ERR_DATA_LOSS = 6,
    GANTRY_ERR_UNIMPLEMENTED = 7,
    GANTRY_ERR_UNAVAILABLE = 8,
    GANTRY_ERR_INTERNAL = 9,
    GANTRY_ERR_RESOURCE_EXHAUSTED = 10
};

/* The result of every function that can fail: NULL means success. Frozen in this form, because it must work between
 * any two versions. Owned by the receiver, who calls destroy(self) exactly once; message and hint live until then. */
typedef struct gantry_error gantry_error_t;
struct gantry_error {
    uint32_t struct_size;
    int32_t code;
    gantry_str_t message;                             /* what was wrong and where */
    gantry_str_t hint;                                /* what to do about it; may be empty */
    void(GANTRY_CALL* destroy)(gantry_error_t* self); /* [any] */
};

/* Element and block types of tensors. The numbers are GGUF's ggml_type where that has the type; others start at 1000.
 * Block layouts are those of the GGUF specification. */
enum {
    GANTRY_DTYPE_F32 = 0,
    GANTRY_DTYPE_F16 = 1,
    GANTRY_DTYPE_Q4_0 = 2,
    GANTRY_DTYPE_Q4_1 = 3,
    GANTRY_DTYPE_Q5_0 = 6,
    GANTRY_DTYPE_Q5_1 = 7,
    GANTRY_DTYPE_Q8_0 = 8,
    GANTRY_DTYPE_Q8_1 = 9,
    GANTRY_DTYPE_Q2_K = 10,
    GANTRY_DTYPE_Q3_K = 11,
    GANTRY_DTYPE_Q4_K = 12,
    GANTRY_DTYPE_Q5_K = 13,
    GANTRY_DTYPE_Q6_K = 14,
    GANTRY_DTYPE_Q8_K = 15,
    GANTRY_DTYPE_IQ2_XXS = 16,
    GANTRY_DTYPE_IQ2_XS = 17,
    GANTRY_DTYPE_IQ3_XXS = 18,
    GANTRY_DTYPE_IQ1_S = 19,
    GANTRY_DTYPE_IQ4_NL = 20,
    GANTRY_DTYPE_IQ3_S = 21,
    GANTRY_DTYPE_IQ2_S = 22,
    GANTRY_DTYPE_IQ4_XS = 23,
    GANTRY_DTYPE_I8 = 24,
    GANTRY_DTYPE_I16 = 25,
    GANTRY_DTYPE_I32 = 26,
    GANTRY_DTYPE_I64 = 27,
    GANTRY_DTYPE_F64 = 28,
    GANTRY_DTYPE_IQ1_M = 29,
    GANTRY_DTYPE_BF16 = 30,
    GANTRY_DTYPE_MXFP4 = 39,
    GANTRY_DTYPE_U8 = 1000,
    GANTRY_DTYPE_U16 = 1001,
    GANTRY_DTYPE_U32 = 1002,
    GANTRY_DTYPE_U64 = 1003,
    GANTRY_DTYPE_BOOL = 1004,
    GANTRY_DTYPE_F8_E4M3 = 1005,
    GANTRY_DTYPE_F8_E5M2 = 1006
};

enum { GANTRY_MAX_RANK = 8 };

/* One tensor of a model, in host memory. Row-major: shape[rank-1] is the fastest dimension; a linear layer's weight is
 * [out_features, in_features]. Block-quantised types pack along the last dimension. */
typedef struct gantry_tensor_view {
    uint32_t struct_size;
    int32_t dtype;
    uint32_t rank;
    uint32_t reserved;
    uint64_t shape[GANTRY_MAX_RANK];
    uint64_t nbytes;
    const void* data; /* read-only; mapped from the file where the host can */
} gantry_tensor_view_t;

/* One option: key = value, both text ("threads" = "2", "kv_dtype" = "f16"). Unknown keys are answered with
 * GANTRY_ERR_INVALID_ARGUMENT that names the key, unless the key starts with another plugin's id and a dot. */
typedef struct gantry_option {
    gantry_str_t key;
    gantry_str_t value;
} gantry_option_t;

#ifdef __cplusplus
}
#endif
#endif
