/// Checks of attune_merge: numbers first, then addresses. Nothing behind an address of a tensor is read.
#include "validate.h"

#include "element.h"
#include "status.h"

#include <inttypes.h>
#include <stdio.h>

static attune_status check_struct(const attune_merge_args *a) {
    attune_status status = attune_check_args(a, "attune_merge_args", sizeof *a, "ATTUNE_MERGE_ARGS_VERSION", ATTUNE_MERGE_ARGS_VERSION);
    if (status)
        return status;
    if (!a->dtype)
        return attune_fail(ATTUNE_NULL_POINTER, "dtype is null; pass the kernel's, \"f32\", \"f16\" or \"bf16\"");
    if (!attune_find_element(a->dtype))
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "dtype is \"%.32s\" but must be \"f32\", \"f16\" or \"bf16\"; pass the kernel's",
                           a->dtype);
    return ATTUNE_OK;
}

static attune_status check_counts(const attune_merge_args *a) {
    const attune_count counts[] = {{"num_parts", a->num_parts, 0, INT32_MAX},
                                   {"batch", a->batch, 0, INT32_MAX},
                                   {"num_heads", a->num_heads, 1, INT32_MAX},
                                   {"seq_len_q", a->seq_len_q, 0, ATTUNE_LARGEST_LENGTH},
                                   {"head_dim_v", a->head_dim_v, 1, INT32_MAX}};
    const attune_status status = attune_check_counts(counts, sizeof counts / sizeof *counts);
    if (status)
        return status;
    if (a->num_parts > 0 && (!a->part_output || !a->part_lse))
        return attune_fail(ATTUNE_NULL_POINTER, "%s is null but num_parts is %" PRId64 "; pass an array of as many pointers",
                           a->part_output ? "part_lse" : "part_output", a->num_parts);
    return ATTUNE_OK;
}

/// The result may be in place of a part: each row is then written where it was read.
static bool is_in_place(const attune_operand *result, const attune_operand *part) {
    for (int d = 0; d < 3; d++)
        if (result->extent[d] > 1 && result->stride[d] != part->stride[d])
            return false;
    return result->data == part->data;
}

/// `part` (of the same kind as results[kind]) against both results.
static attune_status check_part(const attune_operand *part, int kind, const attune_operand results[2]) {
    attune_status status = attune_check_pointer(part);
    for (int i = 0; i < 2 && !status; i++) {
        const attune_range range = attune_operand_range(part);
        if (!attune_overlap(attune_operand_range(&results[i]), range) || (i == kind && is_in_place(&results[i], part)))
            continue;
        status =
            attune_fail(ATTUNE_INVALID_ARGUMENT,
                        "%s overlaps %s (from %p, %zu bytes) but must be apart from it%s; give it memory of its own", results[i].name,
                        part->name, part->data, (size_t)(range.end - range.first), i == kind ? " or have its address and strides" : "");
    }
    return status;
}

static attune_status check_memory(const attune_merge_args *a, const attune_operand parts[2], const attune_operand results[2]) {
    attune_status status = ATTUNE_OK;
    for (int i = 0; i < 2 && !status; i++)
        status = attune_check_pointer(&results[i]);
    if (!status && attune_overlap(attune_operand_range(&results[0]), attune_operand_range(&results[1])))
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "lse overlaps output (from %p) but must be apart from it; give it memory of its own",
                           a->output);
    for (int64_t part = 0; part < a->num_parts && !status; part++)
        for (int kind = 0; kind < 2 && !status; kind++) {
            char name[40];
            snprintf(name, sizeof name, "%s[%" PRId64 "]", parts[kind].name, part);
            attune_operand operand = parts[kind];
            operand.name = name;
            operand.data = kind == 0 ? a->part_output[part] : a->part_lse[part];
            status = check_part(&operand, kind, results);
        }
    return status;
}

attune_status attune_check_merge(const attune_merge_args *a) {
    attune_status status = check_struct(a);
    if (!status)
        status = check_counts(a);
    if (status)
        return status;

    const int64_t bytes = attune_find_element(a->dtype)->bytes;
    const attune_operand parts[2] = {
        {"part_output", NULL, bytes, a->head_dim_v, {a->batch, a->num_heads, a->seq_len_q}, a->stride_part_output, false},
        {"part_lse", NULL, sizeof(float), 1, {a->batch, a->num_heads, a->seq_len_q}, a->stride_part_lse, false}};
    const attune_operand results[2] = {
        {"output", a->output, bytes, a->head_dim_v, {a->batch, a->num_heads, a->seq_len_q}, a->stride_output, false},
        {"lse", a->lse, sizeof(float), 1, {a->batch, a->num_heads, a->seq_len_q}, a->stride_lse, true}};
    for (int i = 0; i < 2 && !status; i++) {
        if (a->num_parts > 0)
            status = attune_check_strides(&parts[i], false, false);
        if (!status && (results[i].data || !results[i].is_optional))
            status = attune_check_strides(&results[i], true, false);
    }
    if (status || a->batch == 0 || a->seq_len_q == 0)
        return status;  // nothing is touched
    return check_memory(a, parts, results);
}
