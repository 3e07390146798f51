#pragma once
#include <string>

namespace attune {

/// What cpuid says of a CPU: vendor ("AuthenticAMD"), display family and model.
struct CpuIdentity {
    std::string vendor;
    int family = 0, model = 0;
};

/// The name under which CPUs share tuned rows: their core, "zen4" or "sapphire_rapids"; for CPUs that the table does not know
/// "amd_fam25_mod97". Never empty, always legal as TunedRecord::device.
std::string device_class(const CpuIdentity &cpu);
/// Of this machine; "generic" where there is no cpuid.
std::string device_class();

}  // namespace attune
