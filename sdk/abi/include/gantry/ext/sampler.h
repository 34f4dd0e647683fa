/* gantry.sampler/1: sampling on the device, so that logits need not travel. Offered beside causal-lm; the host calls
 * sample after an execute whose `logits` was NULL, for rows of that execute. */
#ifndef GANTRY_EXT_SAMPLER_H
#define GANTRY_EXT_SAMPLER_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_SAMPLER "gantry.sampler/1"

/* One row's parameters. Filters apply in the order: bias, penalties, mask, temperature, top_k, top_p, min_p. */
typedef struct gantry_sample_params {
    uint32_t struct_size;
    uint32_t logit_row;       /* index into the execute's logit_rows */
    float temperature;        /* 0: greedy, lowest id wins a tie */
    float top_p;              /* 1: off */
    float min_p;              /* 0: off */
    int32_t top_k;            /* 0: off */
    float repetition_penalty; /* 1: off */
    float frequency_penalty;
    float presence_penalty;
    uint32_t history_count; /* tokens that the penalties look at */
    const int32_t* history;
    const uint32_t* mask;    /* bit t set: token t is allowed; ceil(vocab/32) words; NULL: all */
    const int32_t* bias_ids; /* logit bias, bias_count pairs */
    const float* bias_values;
    uint32_t bias_count;
    uint32_t top_logprobs; /* how many alternatives are wanted */
    uint64_t seed;         /* with `counter` the whole state of the draw: same pair, same token */
    uint64_t counter;
} gantry_sample_params_t;

typedef struct gantry_sample_result {
    uint32_t struct_size;
    int32_t token;
    float logprob;      /* of `token` in the unfiltered distribution (temperature 1) */
    uint32_t top_count; /* <= top_logprobs */
    int32_t* top_ids;   /* caller's arrays of top_logprobs elements */
    float* top_logprobs;
} gantry_sample_result_t;

typedef struct gantry_sampler {
    uint32_t struct_size;
    uint32_t reserved;
    /* params[i] and results[i] are pointers, so that both may grow. [engine] */
    gantry_error_t*(GANTRY_CALL* sample)(gantry_model_t* model, const gantry_sample_params_t* const* params,
                                         gantry_sample_result_t* const* results, uint32_t count);
} gantry_sampler_t;

#ifdef __cplusplus
}
#endif
#endif
