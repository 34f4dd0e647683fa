/* gantry.encoder/1: token sequences in, one vector or score row each out (embedders, rerankers, classifiers). */
#ifndef GANTRY_EXT_ENCODER_H
#define GANTRY_EXT_ENCODER_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_ENCODER "gantry.encoder/1"

enum {
    GANTRY_POOLING_DEFAULT = 0, /* what the model's manifest says */
    GANTRY_POOLING_NONE = 1,    /* every token's vector */
    GANTRY_POOLING_CLS = 2,
    GANTRY_POOLING_MEAN = 3,
    GANTRY_POOLING_LAST = 4,
    GANTRY_POOLING_SCORES = 5 /* the classification head's outputs */
};

typedef struct gantry_encode_batch {
    uint32_t struct_size;
    uint32_t sequence_count;
    uint32_t token_count;
    int32_t pooling;
    const int32_t* token_ids;    /* [token_count] */
    const uint32_t* token_begin; /* [sequence_count+1] */
    const int32_t* type_ids;     /* [token_count] segment ids, or NULL: all 0 */
    float* out;                  /* [rows, width]: rows is sequence_count, or token_count for POOLING_NONE */
    uint64_t out_width;          /* as `width` told */
    uint32_t normalize;          /* 1: each row to unit length */
    uint32_t reserved;
    const uint32_t* adapter_ids; /* [sequence_count] task adapters, or NULL */
} gantry_encode_batch_t;

typedef struct gantry_encoder {
    uint32_t struct_size;
    uint32_t reserved;
    /* Width of an output row under `pooling`. [engine] */
    gantry_error_t*(GANTRY_CALL* width)(gantry_model_t* model, int32_t pooling, uint64_t* out);
    gantry_error_t*(GANTRY_CALL* encode)(gantry_model_t* model, const gantry_encode_batch_t* batch); /* [engine] */
} gantry_encoder_t;

#ifdef __cplusplus
}
#endif
#endif
