/* gantry.tensors/1: named tensors in, named tensors out (audio, images, tabular, anything). */
#ifndef GANTRY_EXT_TENSORS_H
#define GANTRY_EXT_TENSORS_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_TENSORS "gantry.tensors/1"

/* Describes an input or output. A dimension of -1 is free. */
typedef struct gantry_tensor_spec {
    uint32_t struct_size;
    int32_t dtype; /* GANTRY_DTYPE_*; text travels as U8 with its own shape */
    gantry_str_t name;
    uint32_t rank;
    uint32_t optional; /* 1: may be left out */
    int64_t shape[GANTRY_MAX_RANK];
} gantry_tensor_spec_t;

typedef struct gantry_named_tensor {
    uint32_t struct_size;
    uint32_t reserved;
    gantry_str_t name;
    gantry_tensor_view_t view;
} gantry_named_tensor_t;

/* Receives the outputs of one infer, in any order. `view` is borrowed for the call. [called on infer's thread] */
typedef struct gantry_tensor_sink {
    uint32_t struct_size;
    uint32_t reserved;
    void* ctx;
    gantry_error_t*(GANTRY_CALL* output)(void* ctx, const gantry_named_tensor_t* tensor);
    int32_t(GANTRY_CALL* keep_going)(void* ctx); /* 0: stop with GANTRY_ERR_CANCELLED */
} gantry_tensor_sink_t;

typedef struct gantry_tensors {
    uint32_t struct_size;
    uint32_t max_batch; /* 0: the model has no batch dimension */
    /* The specifications live as long as the model. [engine] */
    gantry_error_t*(GANTRY_CALL* describe)(gantry_model_t* model, const gantry_tensor_spec_t* const** inputs,
                                           uint32_t* input_count, const gantry_tensor_spec_t* const** outputs,
                                           uint32_t* output_count);
    gantry_error_t*(GANTRY_CALL* infer)(gantry_model_t* model, const gantry_named_tensor_t* const* inputs,
                                        uint32_t input_count, const gantry_tensor_sink_t* sink); /* [engine] */
} gantry_tensors_t;

#ifdef __cplusplus
}
#endif
#endif
