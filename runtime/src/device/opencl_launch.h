/// OpenCL: programs and kernels.
#ifndef ATTUNE_SRC_DEVICE_OPENCL_LAUNCH_H
#define ATTUNE_SRC_DEVICE_OPENCL_LAUNCH_H

#include "api.h"
#include "attune/kernel.h"

/// All programs of the session's context.
void attune_unload_opencl(const attune_session *session);

#endif
