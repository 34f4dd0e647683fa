/* The smallest causal-lm plugin there can be, in C, and (by VARIANT_*) every way that one can be wrong.
 *
 * The model: logits are one-hot at (token + 1) % vocab_size. Its KV "memory" is a byte a slot, which is how the tests
 * see that copy_blocks arrives. */
#include <gantry/ext/causal_lm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STR(s) \
    (gantry_str_t) { (s), sizeof(s) - 1 }

static const gantry_host_t* host;

/* ---- errors ---- */

static void destroy_error(gantry_error_t* self) { free(self); }

static gantry_error_t* fail(int32_t code, const char* message) {
    gantry_error_t* error = calloc(1, sizeof *error);
    if (error != NULL) {
        error->struct_size = GANTRY_SIZE(gantry_error_t, destroy);
        error->code = code;
        error->message = (gantry_str_t){message, strlen(message)};
        error->hint = STR("see the fixture's source");
        error->destroy = destroy_error;
    }
    return error;
}

/* ---- the model ---- */

typedef struct tiny_model {
    gantry_model_t abi;
    uint32_t vocab_size, block_size;
    uint64_t block_count;
    uint8_t* slots;
} tiny_model_t;

static gantry_error_t* execute(gantry_model_t* model, const gantry_batch_t* batch) {
    tiny_model_t* self = model->ctx;
    if (batch->token_count == 0) {
        return fail(GANTRY_ERR_INVALID_ARGUMENT, "an empty batch");
    }
    for (uint32_t s = 0; s < batch->sequence_count; ++s) {
        for (uint32_t t = batch->token_begin[s]; t < batch->token_begin[s + 1]; ++t) {
            const uint32_t slot = batch->context_len[s] + t - batch->token_begin[s];
            const uint32_t block = batch->block_ids[batch->block_begin[s] + slot / self->block_size];
            self->slots[(uint64_t)block * self->block_size + slot % self->block_size] = (uint8_t)batch->token_ids[t];
        }
    }
    for (uint32_t r = 0; r < batch->logit_row_count; ++r) {
        float* row = batch->logits + (size_t)r * self->vocab_size;
        memset(row, 0, self->vocab_size * sizeof *row);
        row[((uint32_t)batch->token_ids[batch->logit_rows[r]] + 1) % self->vocab_size] = 1.0f;
    }
    return NULL;
}

static gantry_error_t* copy_blocks(gantry_model_t* model, const gantry_copy_list_t* list) {
    tiny_model_t* self = model->ctx;
    for (uint32_t i = 0; i < list->count; ++i) {
        if (list->src[i] >= self->block_count || list->dst[i] >= self->block_count) {
            return fail(GANTRY_ERR_INVALID_ARGUMENT, "no such block");
        }
        memcpy(self->slots + (uint64_t)list->dst[i] * self->block_size,
               self->slots + (uint64_t)list->src[i] * self->block_size, self->block_size);
    }
    return NULL;
}

static gantry_causal_lm_t causal_lm = {
    .struct_size = GANTRY_SIZE(gantry_causal_lm_t, block_identity),
    .execute = execute,
    .copy_blocks = copy_blocks,
};

static const void* model_extension(gantry_model_t* model, const char* id) {
    (void)model;
#if VARIANT_NO_CAUSAL_LM
    id = "";
#elif VARIANT_NO_EXECUTE
    causal_lm.execute = NULL;
#endif
    return strcmp(id, GANTRY_CAUSAL_LM) == 0 ? &causal_lm : NULL;
}

static gantry_error_t* info(gantry_model_t* model, gantry_model_info_t* out) {
    tiny_model_t* self = model->ctx;
    const uint32_t size = out->struct_size;
    memset((char*)out + sizeof out->struct_size, 0, size - sizeof out->struct_size);
    out->block_size = self->block_size;
    out->block_count = self->block_count;
#if !VARIANT_ZERO_LIMITS
    out->vocab_size = self->vocab_size;
#endif
    out->max_context = 4096;
    out->max_step_tokens = 256;
    out->max_sequences = 8;
    out->max_logit_rows = 8;
    out->kv_bytes = self->block_count * self->block_size;
    out->plan = STR("tiny: one byte a slot");
    return NULL;
}

static void destroy_model(gantry_model_t* model) {
    if (model != NULL) {
        tiny_model_t* self = model->ctx;
        free(self->slots);
        free(self);
    }
}

/* ---- the backend ---- */

static gantry_error_t* devices(gantry_backend_t* self, const gantry_device_t** out, uint32_t* count,
                               gantry_str_t* why) {
    (void)self;
#if VARIANT_CRASH_AT_DEVICES
    abort();
#endif
#if VARIANT_SILENT_DEVICES
    *out = NULL;
    *count = 0;
    *why = STR("this machine has no tiny device");
    return NULL;
#else
    static gantry_device_t device;
    device.struct_size = GANTRY_SIZE(gantry_device_t, peers);
    device.kind = GANTRY_DEVICE_CPU;
    device.unified = 1;
    device.name = STR("tiny device");
    device.features = STR("c11");
    device.memory_total = 1u << 30;
    device.memory_free = 1u << 29;
    *out = &device;
    *count = 1;
    *why = (gantry_str_t){NULL, 0};
    return NULL;
#endif
}

static gantry_error_t* assess(gantry_backend_t* self, const gantry_manifest_t* manifest, const gantry_load_spec_t* spec,
                              gantry_assessment_t* out) {
    (void)self;
    static char message[128];
    const gantry_str_t arch = manifest->architecture;
    if (arch.size != 4 || memcmp(arch.data, "tiny", 4) != 0) {
        snprintf(message, sizeof message, "architecture '%.*s' is not tiny", (int)arch.size, arch.data);
        return fail(GANTRY_ERR_UNIMPLEMENTED, message);
    }
    for (uint32_t i = 0; i < spec->option_count; ++i) {
        const gantry_str_t key = spec->options[i].key;
        snprintf(message, sizeof message, "unknown option '%.*s'", (int)key.size, key.data);
        return fail(GANTRY_ERR_INVALID_ARGUMENT, message);
    }
    out->score = 1;
    out->weights_bytes = 1000;
    out->mapped_bytes = 200;
    out->kv_bytes_per_block = 16;
    out->scratch_bytes = 30;
    out->state_bytes_per_slot = 0;
    out->block_size = 16;
    out->max_context = 4096;
    return NULL;
}

static gantry_error_t* load(gantry_backend_t* self, const gantry_manifest_t* manifest, const gantry_load_spec_t* spec,
                            const gantry_progress_t* progress, gantry_model_t** out) {
    (void)self;
    int64_t vocab = 0;
    if (!manifest->get_int(manifest, "vocab_size", &vocab)) {
        return fail(GANTRY_ERR_INVALID_ARGUMENT, "the manifest has no vocab_size");
    }
    for (uint64_t step = 0; step < 10; ++step) {
        if (progress != NULL && progress->keep_going != NULL && !progress->keep_going(progress->ctx)) {
            return fail(GANTRY_ERR_CANCELLED, "asked to stop");
        }
        if (progress != NULL && progress->report != NULL) {
            progress->report(progress->ctx, STR("map"), step + 1, 10);
        }
    }
#if VARIANT_SHORT_MODEL
    static gantry_model_t undestroyable; /* the host has no way to free it, so it is not from the heap */
    undestroyable.struct_size = GANTRY_SIZE(gantry_model_t, info);
    undestroyable.info = info;
    *out = &undestroyable;
    return NULL;
#endif
    tiny_model_t* model = calloc(1, sizeof *model);
    if (model == NULL) {
        return fail(GANTRY_ERR_OUT_OF_MEMORY, "no memory for the model");
    }
    model->vocab_size = (uint32_t)vocab;
    model->block_size = 16;
    model->block_count = spec->block_count;
    model->slots = calloc(spec->block_count + 1, 16);
    model->abi.struct_size = GANTRY_SIZE(gantry_model_t, destroy);
    model->abi.ctx = model;
    model->abi.info = info;
    model->abi.get_extension = model_extension;
    model->abi.destroy = destroy_model;
#if VARIANT_NO_MODEL
    destroy_model(&model->abi);
    return NULL;
#endif
    *out = &model->abi;
    if (host != NULL) {
        host->log(host, GANTRY_LOG_INFO, STR("tiny model loaded"));
    }
    return NULL;
}

static void destroy_backend(gantry_backend_t* self) { (void)self; }

static const void* backend_extension(gantry_backend_t* self, const char* id) {
    (void)self, (void)id;
    return NULL;
}

static gantry_backend_t backend;

#if VARIANT_BARE_ERROR || VARIANT_SHORT_ERROR
/* Errors with less than the contract asks for: nothing to destroy, or not even a message. */
static gantry_error_t poor_error;
#endif

GANTRY_EXPORT gantry_error_t* gantry_backend_entry(gantry_entry_args_t* args) {
#if VARIANT_ERROR_AT_ENTRY
    return fail(GANTRY_ERR_FAILED_PRECONDITION, "the fixture refuses");
#elif VARIANT_BARE_ERROR
    poor_error.struct_size = GANTRY_SIZE(gantry_error_t, hint);
    poor_error.code = 12345;
    poor_error.message = STR("nobody frees me");
    return &poor_error;
#elif VARIANT_SHORT_ERROR
    poor_error.struct_size = GANTRY_SIZE(gantry_error_t, code);
    poor_error.code = GANTRY_ERR_UNAVAILABLE;
    return &poor_error;
#endif
    host = args->host;
    args->plugin_abi = GANTRY_ABI_VERSION;
#if VARIANT_WRONG_MAJOR
    args->plugin_abi = GANTRY_MAKE_VERSION(7, 0);
#elif VARIANT_NEWER_MINOR
    args->plugin_abi = args->host_abi_max + 1;
#elif VARIANT_OLDER_MINOR
    args->plugin_abi = args->host_abi_min - 1;
#endif
    backend.struct_size = GANTRY_SIZE(gantry_backend_t, destroy);
#if VARIANT_SHORT_BACKEND
    backend.struct_size = GANTRY_SIZE(gantry_backend_t, load);
#endif
#if VARIANT_OTHER_ID
    backend.id = STR("somebody-else");
#else
    backend.id = STR("tiny");
#endif
    backend.version = STR("1.2.3");
    backend.devices = devices;
#if VARIANT_NO_DEVICES_FN
    backend.devices = NULL;
#endif
    backend.assess = assess;
#if VARIANT_NO_ASSESS_FN
    backend.assess = NULL;
#endif
    backend.load = load;
#if VARIANT_NO_LOAD_FN
    backend.load = NULL;
#endif
    backend.get_extension = backend_extension;
#if VARIANT_NO_EXTENSION_FN
    backend.get_extension = NULL;
#endif
    backend.destroy = destroy_backend;
#if VARIANT_NO_DESTROY_FN
    backend.destroy = NULL;
#endif
#if !VARIANT_NO_BACKEND
    args->backend = &backend;
#endif
    return NULL;
}
