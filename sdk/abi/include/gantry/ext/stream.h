/* gantry.stream/1: a whole engine behind the plugin, which schedules itself. The host submits requests and gets events.
 */
#ifndef GANTRY_EXT_STREAM_H
#define GANTRY_EXT_STREAM_H

#include "../backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_STREAM "gantry.stream/1"

enum {
    GANTRY_STREAM_TOKENS = 1, /* token_ids/text hold the next piece */
    GANTRY_STREAM_FINISH = 2, /* the last event: finish_reason, or error */
};
enum { GANTRY_FINISH_STOP = 1, GANTRY_FINISH_LENGTH = 2, GANTRY_FINISH_CANCELLED = 3, GANTRY_FINISH_ERROR = 4 };

typedef struct gantry_stream_event {
    uint32_t struct_size;
    int32_t kind;
    const int32_t* token_ids; /* token_count ids, or NULL where the engine speaks text only */
    const float* logprobs;    /* token_count, or NULL */
    uint32_t token_count;
    int32_t finish_reason;
    gantry_str_t text;      /* for engines with their own tokenizer */
    gantry_error_t* error;  /* owned by the receiver */
    uint64_t prompt_tokens; /* with FINISH: usage, where the engine knows it */
    uint64_t cached_tokens;
    uint64_t completion_tokens;
} gantry_stream_event_t;

/* One request. `request` as JSON is the escape for parameters that this struct does not have: the request as the
 * client sent it, in OpenAI's form. Borrowed for the call. */
typedef struct gantry_stream_request {
    uint32_t struct_size;
    uint32_t max_tokens;
    const int32_t* token_ids; /* token_count ids; NULL: `prompt` holds text */
    uint64_t token_count;
    gantry_str_t prompt;
    gantry_str_t request;
    float temperature, top_p, min_p;
    int32_t top_k;
    uint64_t seed;
    int32_t has_seed;
    uint32_t stop_count;
    const gantry_str_t* stop;
    /* Called in order, one call at a time, from any thread; exactly one FINISH, which is the last, cancel and
       destroy of the model included. */
    void(GANTRY_CALL* on_event)(void* ctx, const gantry_stream_event_t* event);
    void* ctx;
} gantry_stream_request_t;

typedef struct gantry_stream {
    uint32_t struct_size;
    uint32_t reserved;
    /* Takes the request; on error on_event is never called. *id names it until its FINISH. [engine] */
    gantry_error_t*(GANTRY_CALL* submit)(gantry_model_t* model, const gantry_stream_request_t* request, uint64_t* id);
    /* Asks for an early FINISH with GANTRY_FINISH_CANCELLED; unknown ids are ignored. [any] */
    void(GANTRY_CALL* cancel)(gantry_model_t* model, uint64_t id);
} gantry_stream_t;

#ifdef __cplusplus
}
#endif
#endif
