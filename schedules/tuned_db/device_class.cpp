#include "schedules/tuned_db/device_class.h"

#include <fmt/format.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace attune {
namespace {

/// Models first … last of a family have this core.
struct Row {
    const char *vendor;
    int family, first, last;
    const char *name;
};

constexpr const char *amd = "AuthenticAMD", *intel = "GenuineIntel";
// AMD: the ranges of bsp_init_amd in Linux (arch/x86/kernel/cpu/amd.c). Intel: arch/x86/include/asm/intel-family.h there; Kaby Lake to Comet
// Lake are the core of Skylake.
constexpr Row rows[] = {
    {amd, 0x17, 0x00, 0x2f, "zen1"},           {amd, 0x17, 0x50, 0x5f, "zen1"},           {amd, 0x17, 0x30, 0x4f, "zen2"},
    {amd, 0x17, 0x60, 0x7f, "zen2"},           {amd, 0x17, 0x90, 0x91, "zen2"},           {amd, 0x17, 0xa0, 0xaf, "zen2"},
    {amd, 0x19, 0x00, 0x0f, "zen3"},           {amd, 0x19, 0x20, 0x5f, "zen3"},           {amd, 0x19, 0x10, 0x1f, "zen4"},
    {amd, 0x19, 0x60, 0xaf, "zen4"},           {amd, 0x1a, 0x00, 0x2f, "zen5"},           {amd, 0x1a, 0x40, 0x4f, "zen5"},
    {amd, 0x1a, 0x60, 0x7f, "zen5"},           {intel, 6, 0x3c, 0x3c, "haswell"},         {intel, 6, 0x3f, 0x3f, "haswell"},
    {intel, 6, 0x45, 0x46, "haswell"},         {intel, 6, 0x3d, 0x3d, "broadwell"},       {intel, 6, 0x47, 0x47, "broadwell"},
    {intel, 6, 0x4f, 0x4f, "broadwell"},       {intel, 6, 0x56, 0x56, "broadwell"},       {intel, 6, 0x4e, 0x4e, "skylake"},
    {intel, 6, 0x5e, 0x5e, "skylake"},         {intel, 6, 0x8e, 0x8e, "skylake"},         {intel, 6, 0x9e, 0x9e, "skylake"},
    {intel, 6, 0xa5, 0xa6, "skylake"},         {intel, 6, 0x55, 0x55, "skylake_server"},  // also Cascade Lake and Cooper Lake
    {intel, 6, 0x7d, 0x7e, "ice_lake"},        {intel, 6, 0x6a, 0x6a, "ice_lake_server"}, {intel, 6, 0x6c, 0x6c, "ice_lake_server"},
    {intel, 6, 0x8c, 0x8d, "tiger_lake"},      {intel, 6, 0xa7, 0xa7, "rocket_lake"},     {intel, 6, 0x97, 0x97, "alder_lake"},
    {intel, 6, 0x9a, 0x9a, "alder_lake"},      {intel, 6, 0xb7, 0xb7, "raptor_lake"},     {intel, 6, 0xba, 0xba, "raptor_lake"},
    {intel, 6, 0xbf, 0xbf, "raptor_lake"},     {intel, 6, 0xaa, 0xaa, "meteor_lake"},     {intel, 6, 0xac, 0xac, "meteor_lake"},
    {intel, 6, 0xb5, 0xb5, "arrow_lake"},      {intel, 6, 0xc5, 0xc6, "arrow_lake"},      {intel, 6, 0xbd, 0xbd, "lunar_lake"},
    {intel, 6, 0x8f, 0x8f, "sapphire_rapids"}, {intel, 6, 0xcf, 0xcf, "emerald_rapids"},  {intel, 6, 0xad, 0xae, "granite_rapids"},
    {intel, 6, 0xaf, 0xaf, "sierra_forest"},
};

/// Of aarch64: parts of an implementer. Linux' arch/arm64/include/asm/cputype.h.
struct ArmRow {
    unsigned implementer, part;
    const char *name;
};
constexpr unsigned by_arm = 0x41;
constexpr ArmRow arm_rows[] = {
    {by_arm, 0xd03, "cortex_a53"},  {by_arm, 0xd05, "cortex_a55"},  {by_arm, 0xd07, "cortex_a57"},  {by_arm, 0xd08, "cortex_a72"},
    {by_arm, 0xd09, "cortex_a73"},  {by_arm, 0xd0a, "cortex_a75"},  {by_arm, 0xd0b, "cortex_a76"},  {by_arm, 0xd0d, "cortex_a77"},
    {by_arm, 0xd41, "cortex_a78"},  {by_arm, 0xd44, "cortex_x1"},   {by_arm, 0xd46, "cortex_a510"}, {by_arm, 0xd47, "cortex_a710"},
    {by_arm, 0xd48, "cortex_x2"},   {by_arm, 0xd4d, "cortex_a715"}, {by_arm, 0xd4e, "cortex_x3"},   {by_arm, 0xd0c, "neoverse_n1"},
    {by_arm, 0xd40, "neoverse_v1"}, {by_arm, 0xd49, "neoverse_n2"}, {by_arm, 0xd4f, "neoverse_v2"},
};

}  // namespace

std::string device_class(const CpuIdentity &cpu) {
    for (const Row &row : rows)
        if (cpu.vendor == row.vendor && cpu.family == row.family && cpu.model >= row.first && cpu.model <= row.last)
            return row.name;
    const char *vendor = cpu.vendor == amd ? "amd" : cpu.vendor == intel ? "intel" : "x86_64";
    return fmt::format("{}_fam{}_mod{}", vendor, cpu.family, cpu.model);
}

std::string arm_device_class(uint64_t midr) {
    const unsigned implementer = midr >> 24 & 0xff, part = midr >> 4 & 0xfff;
    for (const ArmRow &row : arm_rows)
        if (row.implementer == implementer && row.part == part)
            return row.name;
    return fmt::format("arm_{:02x}_{:03x}", implementer, part);
}

std::string device_class() {
#if defined(__aarch64__)
    if (!(getauxval(AT_HWCAP) & HWCAP_CPUID))  // else the system lets programs read the register
        return "generic";
    uint64_t midr;
    __asm__("mrs %0, midr_el1" : "=r"(midr));
    return arm_device_class(midr);
#elif defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(0, &a, &b, &c, &d))
        return "generic";
    CpuIdentity cpu;
    for (const unsigned word : {b, d, c})
        for (int byte = 0; byte < 4; byte++)
            cpu.vendor += static_cast<char>(word >> 8 * byte);
    __get_cpuid(1, &a, &b, &c, &d);
    // The display family and model: the extended fields count where the base family has no more room.
    const int family = a >> 8 & 15, model = a >> 4 & 15;
    cpu.family = family == 15 ? family + (a >> 20 & 255) : family;
    cpu.model = family == 15 || family == 6 ? model | (a >> 16 & 15) << 4 : model;
    return device_class(cpu);
#else
    return "generic";
#endif
}

}  // namespace attune
