/* gantry.state/1: recurrent state slots: copy, zero, save, restore. (KV blocks have theirs in causal-lm.) */
#ifndef GANTRY_EXT_STATE_H
#define GANTRY_EXT_STATE_H

#include "causal_lm.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_STATE "gantry.state/1"

typedef struct gantry_state {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t bytes_per_slot; /* of the exported form */
    /* Snapshots for prefix caching are copies into spare slots. [engine] */
    gantry_error_t*(GANTRY_CALL* copy_slots)(gantry_model_t* model, const gantry_copy_list_t* list);
    gantry_error_t*(GANTRY_CALL* read_slot)(gantry_model_t* model, uint32_t slot, void* host,
                                            uint64_t bytes); /* [engine] */
    gantry_error_t*(GANTRY_CALL* write_slot)(gantry_model_t* model, uint32_t slot, const void* host,
                                             uint64_t bytes); /* [engine] */
} gantry_state_t;

#ifdef __cplusplus
}
#endif
#endif
