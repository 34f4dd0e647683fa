/* gantry.causal-lm/1: autoregressive models that the host schedules.
 *
 * The plugin owns the KV memory: block_count blocks of block_size token slots, every layer. The host owns the block
 * numbers. Sequence s of a batch has the block table block_ids[block_begin[s] .. block_begin[s+1]); its slot i lies in
 * the table's entry i / block_size at offset i % block_size. Slots 0 .. context_len[s]-1 are filled. The new tokens
 * take the slots that follow, in order.
 *
 * Recurrent models keep their state in state_slots[s] instead of, or beside, blocks: a step reads the slot, applies the
 * step's tokens and writes it. context_len 0 means that the slot starts from zero.
 */
#ifndef GANTRY_EXT_CAUSAL_LM_H
#define GANTRY_EXT_CAUSAL_LM_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_CAUSAL_LM "gantry.causal-lm/1"

/* One ragged batch, as arrays. T = token_count, S = sequence_count. All pointers are borrowed for the call. */
typedef struct gantry_batch {
    uint32_t struct_size;
    uint32_t sequence_count;
    uint32_t token_count;
    uint32_t logit_row_count;
    const int32_t* token_ids;    /* [T]; ignored at rows with input embeddings */
    const uint32_t* positions;   /* [T] rotary positions; NULL: the token's slot number */
    const uint32_t* token_begin; /* [S+1] ragged offsets into the token arrays; every sequence has at least one */
    const uint32_t* context_len; /* [S] slots already filled */
    const uint32_t* block_begin; /* [S+1] ragged offsets into block_ids */
    const uint32_t* block_ids;   /* physical blocks, enough for context_len + the step's tokens */
    const uint32_t* logit_rows;  /* [logit_row_count] token indices that want logits, ascending */
    float* logits;               /* out, [logit_row_count, vocab_size], host memory; NULL: kept on the device for
                                    the sampler extension */
    /* Tree attention for speculation: tree_parent[t] is the index within its sequence's step tokens of t's parent,
       -1 for a child of the context. A token sees the context, its ancestors and itself. NULL: plain causal order. */
    const int32_t* tree_parent;     /* [T] or NULL */
    const float* embeddings;        /* [embedding_count, hidden_size] or NULL */
    const uint32_t* embedding_rows; /* [embedding_count] token indices that take an embedding instead of an id */
    uint32_t embedding_count;
    uint32_t flags;              /* GANTRY_BATCH_* */
    const uint32_t* state_slots; /* [S] or NULL */
    const uint32_t* adapter_ids; /* [S] or NULL; 0: none; ids of gantry.adapter/1 */
    float* hidden;               /* out, [logit_row_count, hidden_size] final hidden states, or NULL (draft heads) */
    /* What a sampler on the host would read whole rows for, of each block of GANTRY_LOGIT_BLOCK logits of a row (the
       last may be shorter): made while the logits are in a near cache, it saves that. All three or none are given;
       only to models with GANTRY_CAUSAL_LM_SUMMARIES, only beside `logits`. */
    float* logit_peaks;  /* out, [logit_row_count, blocks] the largest; NaN where one is no number */
    float* logit_masses; /* out, the same shape: the sum of exp((logit - peak) * mass_scales[row]), 0 where the peak
                            is not finite; not written where the scale is 0 */
    const float* mass_scales; /* [logit_row_count] >= 0 */
} gantry_batch_t;

/* Logits in a block of logit_peaks and logit_masses. */
#define GANTRY_LOGIT_BLOCK 256

enum {
    /* The result of every sequence must not depend on its batch mates, to the bit. */
    GANTRY_BATCH_DETERMINISTIC = 1
};

/* Slots or blocks to copy: src[i] -> dst[i], in order, all layers. */
typedef struct gantry_copy_list {
    uint32_t struct_size;
    uint32_t count;
    const uint32_t* src;
    const uint32_t* dst;
} gantry_copy_list_t;

typedef struct gantry_causal_lm {
    uint32_t struct_size;
    uint32_t features; /* GANTRY_CAUSAL_LM_* */
    /* Runs one step and returns when the results are there. On error no slot may be taken as written; the model stays
       usable unless the code is GANTRY_ERR_INTERNAL. [engine] */
    gantry_error_t*(GANTRY_CALL* execute)(gantry_model_t* model, const gantry_batch_t* batch);
    /* Starts a step; on success `done` is called exactly once, from any thread, owning its error. At most one step is
       in flight, and no other function of the model is called meanwhile. May be NULL. [engine] */
    gantry_error_t*(GANTRY_CALL* execute_async)(gantry_model_t* model, const gantry_batch_t* batch,
                                                void(GANTRY_CALL* done)(void* ctx, gantry_error_t* error), void* ctx);
    /* Copies whole blocks. [engine] */
    gantry_error_t*(GANTRY_CALL* copy_blocks)(gantry_model_t* model, const gantry_copy_list_t* list);
    /* Copies single slots; numbers are block * block_size + offset. Keeps the accepted path of a token tree. May be
       NULL. [engine] */
    gantry_error_t*(GANTRY_CALL* copy_slots)(gantry_model_t* model, const gantry_copy_list_t* list);
    /* Moves blocks to or from host memory: `bytes_per_block` each, contiguous in `host`, in a layout that only this
       plugin version and these load options promise to read again. May be NULL. [engine] */
    gantry_error_t*(GANTRY_CALL* read_blocks)(gantry_model_t* model, const uint32_t* blocks, uint32_t count, void* host,
                                              uint64_t bytes_per_block);
    gantry_error_t*(GANTRY_CALL* write_blocks)(gantry_model_t* model, const uint32_t* blocks, uint32_t count,
                                               const void* host, uint64_t bytes_per_block);
    /* A name for everything that a block's content depends on but its tokens (weights, KV type, layout): equal names
       mean that exported blocks may be exchanged. Lives as long as the model. May be NULL. [engine] */
    gantry_str_t(GANTRY_CALL* block_identity)(gantry_model_t* model);
} gantry_causal_lm_t;

enum {
    GANTRY_CAUSAL_LM_TREE = 1,          /* honours tree_parent */
    GANTRY_CAUSAL_LM_EMBEDDINGS = 2,    /* honours embeddings */
    GANTRY_CAUSAL_LM_DETERMINISTIC = 4, /* honours GANTRY_BATCH_DETERMINISTIC */
    GANTRY_CAUSAL_LM_HIDDEN = 8,        /* fills hidden */
    GANTRY_CAUSAL_LM_RECURRENT = 16,    /* needs state_slots */
    GANTRY_CAUSAL_LM_SUMMARIES = 32     /* fills logit_peaks and logit_masses */
};

#ifdef __cplusplus
}
#endif
#endif
