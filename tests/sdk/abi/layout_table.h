/* The table itself, included by one C and one C++ file. */
#include <gantry/backend.h>
#include <gantry/ext/adapter.h>
#include <gantry/ext/causal_lm.h>
#include <gantry/ext/encoder.h>
#include <gantry/ext/sampler.h>
#include <gantry/ext/state.h>
#include <gantry/ext/stream.h>
#include <gantry/ext/tensors.h>

#include "layout.h"

#define STRUCT(T) {#T, NULL, 0, sizeof(T)},
#define MEMBER(T, m) {#T, #m, offsetof(T, m), sizeof(((T*)0)->m)},
static const layout_row_t kRows[] = {
#include "layout.inc"
};
#undef STRUCT
#undef MEMBER
