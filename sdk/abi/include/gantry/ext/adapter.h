/* gantry.adapter/1: LoRA adapters, loaded and dropped while the model serves. */
#ifndef GANTRY_EXT_ADAPTER_H
#define GANTRY_EXT_ADAPTER_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_ADAPTER "gantry.adapter/1"

typedef struct gantry_adapter {
    uint32_t struct_size;
    uint32_t max_adapters; /* at once; 0: as memory allows */
    /* Bytes that loading would take; fails as loading would. [engine] */
    gantry_error_t*(GANTRY_CALL* assess)(gantry_model_t* model, const gantry_manifest_t* adapter, uint64_t* bytes);
    /* *id > 0 is what batches name in adapter_ids; no id is given twice. `scale` multiplies the adapter's own. Neither
       the manifest nor its data is needed after the call. The manifest has the tensors and hyperparameters of
       docs/sdk/vocabulary.md, "Adapters". [engine, between steps] */
    gantry_error_t*(GANTRY_CALL* load)(gantry_model_t* model, const gantry_manifest_t* adapter, double scale,
                                       uint32_t* id);
    /* The host drops an adapter only when no sequence in flight names it. [engine] */
    gantry_error_t*(GANTRY_CALL* drop)(gantry_model_t* model, uint32_t id);
} gantry_adapter_t;

#ifdef __cplusplus
}
#endif
#endif
