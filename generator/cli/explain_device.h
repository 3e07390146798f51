#pragma once
#include "generator/backend/device_target.h"
#include "generator/cli/session.h"
#include "generator/spec/spec.h"

#include <string>

namespace attune::cli {

/// `attune explain` for a device target. stage: "" or "plan", what was decided; "device", the code that the driver gets.
int explain_device(const AttentionSpec &spec, const DeviceTarget &target, const std::string &stage, Session &session);

}  // namespace attune::cli
