/// attune_merge: check, then row by row.
#include "element.h"
#include "float_mode.h"
#include "validate.h"

#include <math.h>

enum { tile = 512 };  // columns summed at a time, 2 KB of stack; the widest row that kernels have

/// Weights of a row's parts: exp(lse - largest) / sum. In double, rounded to float once: they then hardly depend on whose exp it is (libm
/// picks one by CPU, and expf's last bits are visible), so machines of a ring agree. Two calls a part and row cost 40 ns.
typedef struct row_weights {
    double largest, sum;  // -inf and 0 where all parts are empty
} row_weights;

static int64_t offset_of(const int64_t stride[3], const int64_t row[3]) {
    return row[0] * stride[0] + row[1] * stride[1] + row[2] * stride[2];
}

/// -inf: the part is empty.
static double part_lse(const attune_merge_args *a, int64_t part, const int64_t row[3]) {
    return a->part_lse[part][offset_of(a->stride_part_lse, row)];
}

static double weigh(const row_weights *w, double lse) {
    return exp(lse - w->largest) / w->sum;
}

/// A NaN makes the sum NaN, and so does +inf, by infinity - infinity: then all weights are.
static row_weights find_weights(const attune_merge_args *a, const int64_t row[3]) {
    row_weights w = {-INFINITY, 0};
    for (int64_t i = 0; i < a->num_parts; i++) {
        double lse = part_lse(a, i, row);
        w.largest = lse > w.largest ? lse : w.largest;
    }
    for (int64_t i = 0; i < a->num_parts; i++) {
        double lse = part_lse(a, i, row);
        w.sum += lse == -INFINITY ? 0 : exp(lse - w.largest);
    }
    return w;
}

/// Columns first .. first + count - 1. Parts are read before any is written, which may be one of them.
static void merge_columns(const attune_merge_args *a, const attune_element *element, const row_weights *w, const int64_t row[3],
                          int64_t first, int64_t count) {
    float sum[tile];
    for (int64_t d = 0; d < count; d++)
        sum[d] = w->sum == 0 ? 0.0f : -0.0f;  // -0 + x is x for each x, also -0
    for (int64_t i = 0; i < a->num_parts; i++) {
        double lse = part_lse(a, i, row);
        if (lse == -INFINITY)
            continue;  // whatever its output holds
        const uint8_t *part = a->part_output[i];
        element->add(sum, (float)weigh(w, lse), part + (offset_of(a->stride_part_output, row) + first) * element->bytes, count);
    }
    element->store((uint8_t *)a->output + (offset_of(a->stride_output, row) + first) * element->bytes, sum, count);
}

/// Not inlined: arithmetic must not move out of the float mode around it.
static __attribute__((noinline)) void merge_rows(const attune_merge_args *a, const attune_element *element) {
    int64_t row[3];
    for (row[0] = 0; row[0] < a->batch; row[0]++)
        for (row[1] = 0; row[1] < a->num_heads; row[1]++)
            for (row[2] = 0; row[2] < a->seq_len_q; row[2]++) {
                row_weights w = find_weights(a, row);
                for (int64_t first = 0; first < a->head_dim_v; first += tile)
                    merge_columns(a, element, &w, row, first, a->head_dim_v - first < tile ? a->head_dim_v - first : tile);
                if (a->lse)  // last, since it may be a part's
                    a->lse[offset_of(a->stride_lse, row)] = (float)(w.largest + log(w.sum));
            }
}

attune_status attune_merge(const attune_merge_args *args) {
    attune_status status = attune_check_merge(args);
    if (status)
        return status;
    attune_float_mode callers_mode = attune_enter_float_mode();
    merge_rows(args, attune_find_element(args->dtype));
    attune_leave_float_mode(callers_mode);
    return ATTUNE_OK;
}
