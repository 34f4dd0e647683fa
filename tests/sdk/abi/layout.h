#ifndef GANTRY_TESTS_LAYOUT_H
#define GANTRY_TESTS_LAYOUT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One row of the layout: a struct (member NULL, offset 0) or a member of the struct before it. */
typedef struct layout_row {
    const char* type;
    const char* member;
    size_t offset;
    size_t size;
} layout_row_t;

/* The layout as a C11 and as a C++ compiler sees it. */
const layout_row_t* layout_seen_from_c(size_t* count);
const layout_row_t* layout_seen_from_cpp(size_t* count);

#ifdef __cplusplus
}
#endif
#endif
