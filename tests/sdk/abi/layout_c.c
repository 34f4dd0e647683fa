#include "layout_table.h"

const layout_row_t* layout_seen_from_c(size_t* count) {
    *count = sizeof(kRows) / sizeof(kRows[0]);
    return kRows;
}
