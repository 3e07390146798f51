#include "rope.h"

#include <math.h>

void attune_fill_rotation(const attune_rope *rope, int32_t head_dim, int64_t position, float *rotation) {
    float *cosine = rotation, *sine = rotation + head_dim;
    for (int32_t d = 0; d < head_dim; d++)
        cosine[d] = 1, sine[d] = 0;
    for (int32_t i = 0; i < rope->pairs; i++) {
        const double angle = (double)position * rope->frequencies[i];
        const int32_t first = rope->interleaved ? 2 * i : i, second = rope->interleaved ? 2 * i + 1 : i + rope->pairs;
        cosine[first] = cosine[second] = (float)cos(angle);
        sine[second] = (float)sin(angle);
        sine[first] = -sine[second];
    }
}

attune_buffer *attune_rotation_buffer(attune_slice *s, float *rotations, int32_t head_dim, int64_t rows) {
    attune_matrix(s, ATTUNE_TYPE_FLOAT, 32, rotations, head_dim, 2);
    s->dim[2] = (attune_dimension){.extent = (int32_t)rows, .stride = 2 * head_dim};
    s->buffer.dimensions = 3;
    return &s->buffer;
}
