#include "status.h"

#include <stdarg.h>
#include <stdio.h>

/// The one table of code -> sentence, indexed by attune_status.
static const char *const sentences[] = {
    [ATTUNE_OK] = "success",
    [ATTUNE_INVALID_ARGUMENT] = "an argument has a value outside its range or contradicts another",
    [ATTUNE_NULL_POINTER] = "a pointer that the call needs is null",
    [ATTUNE_STRUCT_SIZE] = "a structure has another size or version than this runtime",
    [ATTUNE_SHAPE_MISMATCH] = "the shape differs from the one that the kernel was generated for",
    [ATTUNE_MISALIGNED] = "a pointer is not aligned as needed",
    [ATTUNE_WORKSPACE_TOO_SMALL] = "the workspace is missing or too small",
    [ATTUNE_INDEX_RANGE] = "a tensor or an extent exceeds 2^31 - 1",
    [ATTUNE_UNSUPPORTED_CPU] = "no target of the kernel runs on this CPU",
    [ATTUNE_DEVICE] = "a device or its driver is missing, does not fit, or reported an error",
    [ATTUNE_OUT_OF_MEMORY] = "memory ran out",
    [ATTUNE_INTERNAL] = "a kernel or the thread pool failed",
};

/// Fixed, so that reporting an error never allocates; what is longer is cut. A line takes 512 at most, the log of a device's compiler more.
static _Thread_local char last_error[4096];

attune_status attune_fail(attune_status status, const char *format, ...) {
    int used = snprintf(last_error, sizeof last_error, "attune: ");
    va_list values;
    va_start(values, format);
    vsnprintf(last_error + used, sizeof last_error - (size_t)used, format, values);
    va_end(values);
    return status;
}

const char *attune_last_error(void) {
    return last_error;
}

const char *attune_status_string(int status) {
    if (status < 0 || (size_t)status >= sizeof sentences / sizeof *sentences)
        return "unknown status";
    return sentences[status];
}
