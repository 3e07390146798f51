/// CUDA: modules and kernels.
#ifndef ATTUNE_SRC_DEVICE_CUDA_LAUNCH_H
#define ATTUNE_SRC_DEVICE_CUDA_LAUNCH_H

#include "api.h"
#include "attune/kernel.h"

/// All modules of the session's context.
void attune_unload_cuda(const attune_session *session);

#endif
