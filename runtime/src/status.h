/// Errors inside the runtime: a code, and one line about it for attune_last_error.
#ifndef ATTUNE_SRC_STATUS_H
#define ATTUNE_SRC_STATUS_H

#include "attune/attention.h"

/// Keeps "attune: <format …>" as the calling thread's last error and returns `status`, so that a check reads `return attune_fail(…)`.
attune_status attune_fail(attune_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
