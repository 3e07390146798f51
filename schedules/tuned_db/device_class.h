#pragma once
#include <cstdint>
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
/// The same by MIDR_EL1 of aarch64: "neoverse_n1", or "arm_41_d0c" of implementer and part.
std::string arm_device_class(uint64_t midr);
/// Of this machine; "generic" where its CPU does not tell.
std::string device_class();

}  // namespace attune
