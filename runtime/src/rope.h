/// Rotary embedding: the numbers that generated code turns rows with.
#ifndef ATTUNE_SRC_ROPE_H
#define ATTUNE_SRC_ROPE_H

#include "arguments.h"

/// The generator's limit: a row on the stack takes 4 KB.
enum { ATTUNE_LARGEST_HEAD_DIM = 1024 };

/// Of a row at `position`: of each of head_dim elements its cosine, then the sine with the sign its partner is taken with; 1 and 0 where it is not
/// turned. Angles are in double: in f32 position 100000 of frequency 1 would be off by 0.004.
void attune_fill_rotation(const attune_rope *rope, int32_t head_dim, int64_t position, float *rotation);
/// `rows` of these, one after another, as task functions take them.
attune_buffer *attune_rotation_buffer(attune_slice *s, float *rotations, int32_t head_dim, int64_t rows);

#endif
