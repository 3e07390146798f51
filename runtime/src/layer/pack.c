/// Weights in panels: what frameworks keep a row an output becomes a row an input, or a pair of them, of `panel` outputs, which loads read in order.
/// Panels are cut into chunks of inputs, and the pieces lie as they are read: all of a chunk, then all of the next.
#include "element.h"
#include "projection.h"
#include "status.h"

#include <inttypes.h>
#include <string.h>

static int64_t panels_of(const attune_projection *p, const attune_projection_variant *v) {
    return (p->out_features + v->panel - 1) / v->panel;
}

size_t attune_panel_bytes(const attune_projection *p, const attune_projection_variant *v) {
    const size_t bytes = (size_t)panels_of(p, v) * (size_t)v->panel * (size_t)v->block_inputs * (size_t)v->chunks * (p->type_bits / 8u);
    return (bytes + 63) / 64 * 64;
}

static size_t packed_bytes(const attune_projection *p, const attune_projection_variant *v) {
    const size_t bias = p->has_bias ? (size_t)panels_of(p, v) * (size_t)v->panel * sizeof(float) : 0;
    return attune_panel_bytes(p, v) + (bias + 63) / 64 * 64;
}

size_t attune_projection_packed_size(const attune_projection *projection) {
    const attune_projection_variant *variant;
    return attune_choose_projection(projection, &variant) ? 0 : packed_bytes(projection, variant);
}

static attune_status check_part(const attune_projection *p, const attune_weights *part, int32_t index) {
    const int64_t stride = part->stride ? part->stride : p->in_features;
    if (!part->weight || (p->has_bias && !part->bias))
        return attune_fail(ATTUNE_NULL_POINTER, "weights[%" PRId32 "].%s is null but %s has one; pass its first element", index,
                           part->weight ? "bias" : "weight", p->name);
    if (!p->has_bias && part->bias)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "weights[%" PRId32 "].bias is given but %s adds none; leave it null", index, p->name);
    if (part->outputs < 1)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "weights[%" PRId32 "].outputs is %" PRId64 " but must be at least 1", index,
                           part->outputs);
    if (stride < p->in_features)
        return attune_fail(ATTUNE_SHAPE_MISMATCH,
                           "weights[%" PRId32 "].stride is %" PRId64
                           " but rows of %s have %d elements; pass a row's distance from the next",
                           index, stride, p->name, p->in_features);
    if ((uintptr_t)part->weight % (p->type_bits / 8u) || (uintptr_t)part->bias % (p->type_bits / 8u))
        return attune_fail(ATTUNE_MISALIGNED, "weights[%" PRId32 "] is at %p, its bias at %p, but must be aligned to %d bytes", index,
                           part->weight, part->bias, p->type_bits / 8);
    return ATTUNE_OK;
}

static attune_status check(const attune_projection *p, const attune_projection_variant *v, const attune_weights *parts, int32_t num_parts,
                           const void *packed, size_t packed_size) {
    if (!parts || !packed)
        return attune_fail(ATTUNE_NULL_POINTER, "%s is null; pass %s", parts ? "packed" : "weights",
                           parts ? "packed_size bytes, 64-byte aligned" : "the matrices to pack");
    int64_t outputs = 0;
    for (int32_t i = 0; i < num_parts; i++) {
        const attune_status status = check_part(p, &parts[i], i);
        if (status)
            return status;
        outputs += parts[i].outputs;
    }
    if (outputs != p->out_features)
        return attune_fail(ATTUNE_SHAPE_MISMATCH, "weights have %" PRId64 " outputs but %s has %d; pass matrices that add up to them",
                           outputs, p->name, p->out_features);
    const size_t needed = packed_bytes(p, v);
    if (packed_size < needed)
        return attune_fail(ATTUNE_WORKSPACE_TOO_SMALL, "packed_size is %zu but %s needs %zu bytes; allocate what packed_size returns",
                           packed_size, p->name, needed);
    return attune_check_packed(packed);
}

static void copy_steps(uint8_t *to, size_t apart, const uint8_t *from, size_t bytes, int32_t count) {
    if (bytes == 4)
        for (int32_t k = 0; k < count; k++, from += 4, to += apart)
            memcpy(to, from, 4);
    else
        for (int32_t k = 0; k < count; k++, from += 2, to += apart)
            memcpy(to, from, 2);
}

/// One output's weights: a column of its panel, a piece of it in each chunk.
static void pack_row(const attune_projection *p, const attune_projection_variant *v, const uint8_t *row, int64_t output, uint8_t *packed) {
    const size_t element = p->type_bits / 8u, bytes = element * (size_t)v->step_inputs, step = (size_t)v->panel * bytes;
    const size_t piece = step * (size_t)(v->block_inputs / v->step_inputs);
    for (int32_t chunk = 0, k = 0; chunk < v->chunks; chunk++, k += v->block_inputs) {
        uint8_t *to = packed + (size_t)(chunk * panels_of(p, v) + output / v->panel) * piece + (size_t)(output % v->panel) * bytes;
        const int32_t count = p->in_features - k < v->block_inputs ? p->in_features - k : v->block_inputs, steps = count / v->step_inputs;
        copy_steps(to, step, row + (size_t)k * element, bytes, steps);
        const size_t left = (size_t)(count % v->step_inputs) * element;  // of a last pair the first alone
        memcpy(to + (size_t)steps * step, row + ((size_t)k + (size_t)(steps * v->step_inputs)) * element, left);
    }
}

attune_status attune_projection_pack(const attune_projection *projection, const attune_weights *parts, int32_t num_parts, void *packed,
                                     size_t packed_size) {
    const attune_projection_variant *variant;
    attune_status status = attune_choose_projection(projection, &variant);
    if (!status)
        status = check(projection, variant, parts, num_parts, packed, packed_size);
    if (status)
        return status;
    memset(packed, 0, packed_bytes(projection, variant));
    float *bias = (float *)(void *)((uint8_t *)packed + attune_panel_bytes(projection, variant));
    const attune_element *element = attune_find_element(projection->dtype);
    int64_t output = 0;
    for (int32_t i = 0; i < num_parts; i++) {
        const int64_t stride = (parts[i].stride ? parts[i].stride : projection->in_features) * (projection->type_bits / 8);
        if (projection->has_bias)
            element->add(bias + output, 1, parts[i].bias, parts[i].outputs);  // to the zeros that are there
        for (int64_t n = 0; n < parts[i].outputs; n++, output++)
            pack_row(projection, variant, (const uint8_t *)parts[i].weight + n * stride, output, packed);
    }
    return ATTUNE_OK;
}
