#include "attune/attention.h"

int64_t attune_list_blocks(const uint8_t *block_mask, int64_t rows, int64_t columns_of_mask, int32_t first, int32_t *row_offsets,
                           int32_t *columns) {
    int64_t n = 0;
    for (int64_t row = 0; row < rows; row++) {
        row_offsets[row] = (int32_t)(first + n);
        for (int64_t column = 0; column < columns_of_mask; column++) {
            if (!block_mask[row * columns_of_mask + column])
                continue;
            if (columns)
                columns[n] = (int32_t)column;
            n++;
        }
    }
    row_offsets[rows] = (int32_t)(first + n);
    return n;
}
