#pragma once
#include "generator/backend/device_target.h"
#include "generator/cli/session.h"
#include "generator/spec/spec.h"

#include <string>

namespace attune::cli {

/// `attune explain` for a device target. stage: "" or "plan", what was decided; "device", the code that the driver gets; "sass", of CUDA, the
/// machine code for `architecture` ("sm_90") and what its inner loops are made of. Of a target's variants the first one's code.
int explain_device(const AttentionSpec &spec, const DeviceTarget &target, const std::string &stage, const std::string &architecture,
                   Session &session);

}  // namespace attune::cli
