#pragma once
#include "generator/algorithm/device_combine.h"

namespace attune {

/// A work-group for each row, a thread for each of its head dims, which walks the parts: they are few, and were written a moment ago.
void schedule_gpu_combine(DeviceCombine &task, DeviceCombineStages &stages);

}  // namespace attune
