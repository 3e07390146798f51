/// Constant patterns of kernels on devices: one copy a context, made at a kernel's first call.
#ifndef ATTUNE_SRC_DEVICE_PATTERNS_H
#define ATTUNE_SRC_DEVICE_PATTERNS_H

#include "api.h"
#include "attune/kernel.h"

/// The kernel's pattern words in the session's context. The first call copies them there and waits for it; later ones take no lock.
attune_status attune_find_patterns(const attune_session *session, const attune_kernel *kernel, void **memory);
/// Frees those of the session's context.
void attune_drop_patterns(const attune_session *session);

#endif
