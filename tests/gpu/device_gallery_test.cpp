// Every mask and score of the gallery (attune list --presets) on devices. What a target refuses is listed below with its reason.
#include "generator/cli/presets.h"
#include "generator/spec/error.h"
#include "tests/gpu/device_kernels.h"

#include <algorithm>

namespace attune::test {
namespace {

/// A preset that a target does not run, and what it says.
struct Refusal {
    const char *target, *preset, *reason;
};
/// None: OpenCL, the simulator of CUDA and Vulkan run all of them.
const std::vector<Refusal> refusals = {};

/// Presets of the gallery with pairs, or with a running state instead, which CPUs alone have.
std::vector<std::string> gallery(bool linear = false) {
    std::vector<std::string> names;
    for (const cli::Preset &preset : cli::presets())
        if (preset.kind == "gallery" && is_linear(validate_spec(read_spec_file(cli::spec_file(preset.name)))) == linear) names.push_back(preset.name);
    return names;
}

/// The preset with small heads, off 16 bytes so that there is one variant to compile. Masks and scores are the same.
AttentionSpec small_spec(const std::string &name) {
    RawSpec raw = read_spec_file(cli::spec_file(name));
    set_spec_flag(raw, "kernel.head_dim", "10", "test");
    return validate_spec(raw);
}
const ScheduleParameters small_blocks = {{"block_q", 16}, {"block_kv", 16}, {"threads_x", 8}, {"threads_y", 8}, {"unroll", 1}};

void expect_agreement(const char *name, const std::string &preset) {
    ATTUNE_REQUIRE_DEVICE(target, name);
    const auto refusal = std::find_if(refusals.begin(), refusals.end(), [&](const Refusal &r) { return std::string(name) == r.target && preset == r.preset; });
    std::unique_ptr<LoadedKernel> kernel;
    try {
        kernel = load_device_kernel(small_spec(preset), target, small_blocks);
    } catch (const std::exception &error) {
        ASSERT_NE(refusal, refusals.end()) << error.what();
        EXPECT_NE(std::string(error.what()).find(refusal->reason), std::string::npos) << error.what();
        return;
    }
    ASSERT_EQ(refusal, refusals.end()) << "it runs now: take it out of the table";
    const ShapeCase shapes[] = {
        {"more_keys_than_rows", 1, 2, 2, 70, 333},
        {"packed", 3, 2, 2, 90, 130, {61, 0, 90}, {130, 9, 90}, true},
    };
    for (const ShapeCase &shape : shapes) {
        SCOPED_TRACE(shape.name);
        check_shape(*kernel, shape, InputKind::normal, 11, {.params = make_params(kernel->plan().spec, shape, 11)});
    }
}

// A suite for each target: PoCL compiles 11 s a preset.
class DeviceGalleryOpencl : public testing::TestWithParam<std::string> {};
class DeviceGalleryCuda : public testing::TestWithParam<std::string> {};
class DeviceGalleryVulkan : public testing::TestWithParam<std::string> {};

TEST_P(DeviceGalleryOpencl, AgreesWithTheReference) { expect_agreement("opencl", GetParam()); }
TEST_P(DeviceGalleryCuda, AgreesWithTheReference) { expect_agreement("cuda", GetParam()); }
TEST_P(DeviceGalleryVulkan, AgreesWithTheReference) { expect_agreement("vulkan", GetParam()); }

std::string preset_name(const testing::TestParamInfo<std::string> &info) { return info.param; }
INSTANTIATE_TEST_SUITE_P(Device, DeviceGalleryOpencl, testing::ValuesIn(gallery()), preset_name);
INSTANTIATE_TEST_SUITE_P(Device, DeviceGalleryCuda, testing::ValuesIn(gallery()), preset_name);
INSTANTIATE_TEST_SUITE_P(Device, DeviceGalleryVulkan, testing::ValuesIn(gallery()), preset_name);

TEST(DeviceGalleryTable, HoldsTheWholeGallery) { EXPECT_GE(gallery().size(), 33u) << "specs/gallery was not found"; }

TEST(DeviceGalleryTable, RunningStatesAreRefused) {
    EXPECT_GE(gallery(true).size(), 3u);
    for (const std::string &preset : gallery(true)) {
        AttentionSpec spec = validate_spec(read_spec_file(cli::spec_file(preset)));
        try {
            plan_device_variants(spec, *find_device_target("cuda"), {});
            FAIL() << preset;
        } catch (const Error &error) {
            EXPECT_NE(std::string(error.what()).find("normalizer is linear"), std::string::npos) << error.what();
        }
    }
}

}  // namespace
}  // namespace attune::test
