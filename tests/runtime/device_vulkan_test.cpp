/// Vulkan for real: a kernel in SPIR-V, packed and launched as generated code does, on whatever device there is (Mesa's lavapipe, a CPU, will do).
#include "device_fake.h"
#include "device_vulkan_attend.h"
#include "problem.h"
#include "runtime/src/device/vulkan_driver.h"

#include <cstddef>
#include <cstring>
#include <gtest/gtest.h>
#include <thread>
#include <vulkan/vulkan.h>

namespace {

// The runtime has structures of its own.
#define SAME_SIZE(ours, theirs) static_assert(sizeof(ours) == sizeof(theirs))
#define SAME_PLACE(ours, member, theirs, their_member) static_assert(offsetof(ours, member) == offsetof(theirs, their_member))
SAME_SIZE(attune_vk_application, VkApplicationInfo);
SAME_SIZE(attune_vk_instance_info, VkInstanceCreateInfo);
SAME_SIZE(attune_vk_limits, VkPhysicalDeviceLimits);
SAME_PLACE(attune_vk_limits, max_storage_range, VkPhysicalDeviceLimits, maxStorageBufferRange);
SAME_PLACE(attune_vk_limits, max_storage_buffers, VkPhysicalDeviceLimits, maxPerStageDescriptorStorageBuffers);
SAME_PLACE(attune_vk_limits, max_shared_bytes, VkPhysicalDeviceLimits, maxComputeSharedMemorySize);
SAME_PLACE(attune_vk_limits, max_groups, VkPhysicalDeviceLimits, maxComputeWorkGroupCount);
SAME_PLACE(attune_vk_limits, max_threads, VkPhysicalDeviceLimits, maxComputeWorkGroupInvocations);
SAME_PLACE(attune_vk_limits, max_group_size, VkPhysicalDeviceLimits, maxComputeWorkGroupSize);
SAME_SIZE(attune_vk_properties, VkPhysicalDeviceProperties);
SAME_PLACE(attune_vk_properties, limits, VkPhysicalDeviceProperties, limits);
SAME_SIZE(attune_vk_features, VkPhysicalDeviceFeatures2);
SAME_PLACE(attune_vk_features, int16, VkPhysicalDeviceFeatures2, features.shaderInt16);
SAME_SIZE(attune_vk_features_11, VkPhysicalDeviceVulkan11Features);
SAME_PLACE(attune_vk_features_11, uniform16, VkPhysicalDeviceVulkan11Features, uniformAndStorageBuffer16BitAccess);
SAME_SIZE(attune_vk_features_12, VkPhysicalDeviceVulkan12Features);
SAME_PLACE(attune_vk_features_12, uniform8, VkPhysicalDeviceVulkan12Features, uniformAndStorageBuffer8BitAccess);
SAME_PLACE(attune_vk_features_12, int8, VkPhysicalDeviceVulkan12Features, shaderInt8);
SAME_SIZE(attune_vk_memory_properties, VkPhysicalDeviceMemoryProperties);
SAME_SIZE(attune_vk_queue_family, VkQueueFamilyProperties);
SAME_SIZE(attune_vk_queue_info, VkDeviceQueueCreateInfo);
SAME_SIZE(attune_vk_device_info, VkDeviceCreateInfo);
SAME_SIZE(attune_vk_memory_needs, VkMemoryRequirements);
SAME_SIZE(attune_vk_memory_info, VkMemoryAllocateInfo);
SAME_SIZE(attune_vk_buffer_info, VkBufferCreateInfo);
SAME_SIZE(attune_vk_shader_info, VkShaderModuleCreateInfo);
SAME_SIZE(attune_vk_binding, VkDescriptorSetLayoutBinding);
SAME_SIZE(attune_vk_set_layout_info, VkDescriptorSetLayoutCreateInfo);
SAME_SIZE(attune_vk_layout_info, VkPipelineLayoutCreateInfo);
SAME_SIZE(attune_vk_stage_info, VkPipelineShaderStageCreateInfo);
SAME_SIZE(attune_vk_pipeline_info, VkComputePipelineCreateInfo);
SAME_SIZE(attune_vk_descriptor_pool_info, VkDescriptorPoolCreateInfo);
SAME_SIZE(attune_vk_set_info, VkDescriptorSetAllocateInfo);
SAME_SIZE(attune_vk_range, VkDescriptorBufferInfo);
SAME_SIZE(attune_vk_write, VkWriteDescriptorSet);
SAME_SIZE(attune_vk_command_pool_info, VkCommandPoolCreateInfo);
SAME_SIZE(attune_vk_commands_info, VkCommandBufferAllocateInfo);
SAME_SIZE(attune_vk_begin_info, VkCommandBufferBeginInfo);
SAME_SIZE(attune_vk_barrier, VkMemoryBarrier);
SAME_SIZE(attune_vk_copy, VkBufferCopy);
SAME_SIZE(attune_vk_submit_info, VkSubmitInfo);
SAME_SIZE(attune_vk_fence_info, VkFenceCreateInfo);

using Words = std::vector<uint32_t>;

Words name_words(const std::string &name) {
    Words words(1 + name.size() / 4 + 1);
    words[0] = uint32_t(words.size() - 1);
    std::memcpy(&words[1], name.data(), name.size());
    return words;
}
void append(Words &to, const Words &words) {
    to.insert(to.end(), words.begin(), words.end());
}

/// attend_spirv as Halide 21 packs it.
struct Image {
    Words spirv{std::begin(attend_spirv), std::end(attend_spirv)};
    uint32_t uniforms = 1, buffers = 7, constants = 0, shared_floats = 4;

    Words pack() const {
        Words header = {1};  // descriptor sets
        append(header, name_words("main"));
        append(header, {uniforms, buffers, constants});
        for (uint32_t i = 0; i < constants; i++)
            append(header, name_words("size")), append(header, {i + 1, 4});
        append(header, {1});
        append(header, name_words("products"));
        append(header, {0, 4, shared_floats, 0, 0, 0});
        Words module = {uint32_t(header.size() + 1)};
        append(module, header);
        append(module, spirv);
        Words image = {1, uint32_t(4 * module.size())};
        append(image, name_words("main"));
        append(image, module);
        return image;
    }
};

class Vulkan : public testing::Test {
protected:
    FakeDeviceKernel fake;
    Problem p;
    void *state = nullptr;  // of a generated object, which lives as long as the program
    Image image;
    Words packed = image.pack();
    std::string entry = "main";
    int threads = 4, more_groups = 0;
    attune_device device{};

    Vulkan() {
        fake.device_variants[0].target = "vulkan";
        fake.device_variants[0].api = ATTUNE_API_VULKAN;
        fake.device_variants[0].needs = 0;
        fake.body = [this](void **arguments) { return launch(arguments); };
    }
    ~Vulkan() override { attune_device_close(&device); }

    void SetUp() override {
        if (attune_device_count(ATTUNE_API_VULKAN) == 0)
            GTEST_SKIP() << "no Vulkan device: " << attune_last_error();
        ASSERT_EQ(attune_device_open(ATTUNE_API_VULKAN, 0, &device), ATTUNE_OK) << attune_last_error();
    }

    int launch(void **arguments) {
        void *context = *static_cast<void **>(arguments[0]);
        const auto tensor = [&](int which) { return static_cast<attune_buffer *>(arguments[7 + which]); };
        attune_vulkan_initialize_kernels(context, &state, reinterpret_cast<const char *>(packed.data()), int(4 * packed.size()));
        for (int i = 0; i < num_device_buffers; i++)
            attune_copy_to_device(context, tensor(i), attune_vulkan_device_interface());
        std::vector<size_t> sizes;
        std::vector<void *> args;
        for (int which : {query_at, key_at, value_at, lse_at, output_at, lengths_q_at, lengths_kv_at})
            args.push_back(tensor(which)), sizes.push_back(8);
        for (int i = 0; i < 6; i++)
            args.push_back(arguments[1 + i]), sizes.push_back(4);
        for (int which : {query_at, key_at, value_at, lse_at, output_at})
            for (int d = 0; d < 3; d++)
                args.push_back(&tensor(which)->dim[(which == query_at || which == output_at ? 2 : 1) + d].stride), sizes.push_back(4);
        sizes.push_back(0), args.push_back(nullptr);
        std::vector<int8_t> is_buffer(args.size());
        std::fill(is_buffer.begin(), is_buffer.begin() + 7, 1);
        const attune_dimension *query = tensor(query_at)->dim;
        const int code = attune_vulkan_run(context, state, entry.c_str(), query[2].extent + more_groups, query[3].extent, query[4].extent, threads, 1,
                                           1, 16, sizes.data(), args.data(), is_buffer.data());
        attune_vulkan_finalize_kernels(context, state);
        return code;
    }

    /// The message of a call that fails with `status`.
    std::string failure(attune_status status) {
        p.build();
        EXPECT_EQ(attune_kernel_run_copied(&fake.kernel, &p.args, &device), status);
        p.expect_untouched();
        return attune_last_error();
    }
};

TEST_F(Vulkan, RunsOnCopiesOfTheHostsTensors) {
    for (const int pad : {0, 3}) {
        Problem host;
        host.pad = pad;
        host.lengths_q = {6, 4}, host.lengths_kv = {0, 5};
        host.build();
        ASSERT_EQ(attune_kernel_run_copied(&fake.kernel, &host.args, &device), ATTUNE_OK) << attune_last_error();
        host.expect_right();
    }
    Problem without_lengths;
    without_lengths.build();
    without_lengths.args.lse = nullptr;
    ASSERT_EQ(attune_kernel_run_copied(&fake.kernel, &without_lengths.args, &device), ATTUNE_OK) << attune_last_error();
    without_lengths.expect_right(false);
}

template <class Info>
Info info_of(VkStructureType type) {
    Info info{};
    info.sType = type;
    return info;
}

/// The application's own: made with Vulkan alone. Its buffers lie in memory that the host sees.
struct OwnDevice {
    VkInstance instance = nullptr;
    VkPhysicalDevice physical = nullptr;
    VkDevice device = nullptr;
    VkQueue queue = nullptr;
    uint32_t family = 0, memory_type = 0;
    std::vector<VkBuffer> buffers;
    std::vector<VkDeviceMemory> memory;

    OwnDevice() {
        auto application = info_of<VkApplicationInfo>(VK_STRUCTURE_TYPE_APPLICATION_INFO);
        application.apiVersion = VK_API_VERSION_1_2;
        auto of_instance = info_of<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
        of_instance.pApplicationInfo = &application;
        vkCreateInstance(&of_instance, nullptr, &instance);
        uint32_t one = 1;
        vkEnumeratePhysicalDevices(instance, &one, &physical);
        uint32_t count = 16;
        VkQueueFamilyProperties families[16];
        vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
        while (family + 1 < count && !(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT))
            family++;
        const float priority = 1;
        auto of_queue = info_of<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
        of_queue.queueFamilyIndex = family, of_queue.queueCount = 1, of_queue.pQueuePriorities = &priority;
        auto of_device = info_of<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
        of_device.queueCreateInfoCount = 1, of_device.pQueueCreateInfos = &of_queue;
        vkCreateDevice(physical, &of_device, nullptr, &device);
        vkGetDeviceQueue(device, family, 0, &queue);
        VkPhysicalDeviceMemoryProperties types;
        vkGetPhysicalDeviceMemoryProperties(physical, &types);
        const VkMemoryPropertyFlags needed = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
        while (memory_type + 1 < types.memoryTypeCount && (types.memoryTypes[memory_type].propertyFlags & needed) != needed)
            memory_type++;
    }
    ~OwnDevice() {
        for (size_t i = 0; i < buffers.size(); i++)
            vkDestroyBuffer(device, buffers[i], nullptr), vkFreeMemory(device, memory[i], nullptr);
        vkDestroyDevice(device, nullptr);
        vkDestroyInstance(instance, nullptr);
    }
    attune_device described() const {
        attune_device d{};
        d.size = sizeof d, d.api = ATTUNE_API_VULKAN, d.device = device, d.physical_device = physical, d.queue = queue, d.queue_family = family;
        return d;
    }
    /// A buffer with these values, and where the host sees them.
    template <class T>
    std::pair<void *, T *> copy_of(const std::vector<T> &values) {
        auto info = info_of<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
        info.size = values.size() * sizeof(T), info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
        buffers.emplace_back(), memory.emplace_back();
        vkCreateBuffer(device, &info, nullptr, &buffers.back());
        VkMemoryRequirements needs;
        vkGetBufferMemoryRequirements(device, buffers.back(), &needs);
        auto allocation = info_of<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
        allocation.allocationSize = needs.size, allocation.memoryTypeIndex = memory_type;
        vkAllocateMemory(device, &allocation, nullptr, &memory.back());
        vkBindBufferMemory(device, buffers.back(), memory.back(), 0);
        void *host = nullptr;
        vkMapMemory(device, memory.back(), 0, VK_WHOLE_SIZE, 0, &host);
        std::memcpy(host, values.data(), info.size);
        return {reinterpret_cast<void *>(buffers.back()), static_cast<T *>(host)};
    }
};

TEST_F(Vulkan, EnqueuesOnTheApplicationsQueueAndCopiesNothing) {
    OwnDevice own;
    p.build();
    p.args.query = own.copy_of(p.query).first, p.args.key = own.copy_of(p.key).first, p.args.value = own.copy_of(p.value).first;
    const auto [output, output_seen] = own.copy_of(p.output);
    const auto [lse, lse_seen] = own.copy_of(p.lse);
    p.args.output = output, p.args.lse = static_cast<float *>(lse);
    attune_device mine = own.described();
    p.exec.device = &mine;
    attune_device_counters before, after;
    attune_device_read_counters(&before);
    ASSERT_EQ(attune_kernel_prepare(&fake.kernel, &mine), ATTUNE_OK) << attune_last_error();
    const int launches = 100;  // more than a block of slots, for whatever is pending at once
    for (int i = 0; i < launches; i++)
        ASSERT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_OK) << attune_last_error();
    attune_device_read_counters(&after);
    EXPECT_EQ(after.launches - before.launches, unsigned(launches));
    EXPECT_EQ(after.kernels_loaded - before.kernels_loaded, 1u);
    EXPECT_EQ(after.copies_to_device, before.copies_to_device);
    EXPECT_EQ(after.copies_from_device, before.copies_from_device);
    EXPECT_EQ(after.allocations, before.allocations);
    vkQueueWaitIdle(own.queue);
    std::copy_n(output_seen, p.output.size(), p.output.begin());
    std::copy_n(lse_seen, p.lse.size(), p.lse.begin());
    p.expect_right();

    // exec->stream serves where the device has no queue.
    mine.queue = nullptr;
    p.exec.stream = own.queue;
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_OK) << attune_last_error();
    p.exec.stream = nullptr;
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_DEVICE);
    EXPECT_STREQ(attune_last_error(), "attune: device.queue is null; set it to a VkQueue, or use attune_device_open");
    mine.queue = own.queue, mine.physical_device = nullptr;
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_DEVICE);
    EXPECT_STREQ(attune_last_error(), "attune: device.physical_device is null; set it to a VkPhysicalDevice, or use attune_device_open");
    mine.physical_device = own.physical, mine.device = nullptr;
    EXPECT_EQ(attune_device_synchronize(&mine), ATTUNE_DEVICE);
    EXPECT_STREQ(attune_last_error(), "attune: device.device is null; set it to a VkDevice, or use attune_device_open");

    mine.device = own.device;
    attune_device_unload(&mine);  // waits for the last call
    ASSERT_EQ(attune_kernel_prepare(&fake.kernel, &mine), ATTUNE_OK) << attune_last_error();
    attune_device_read_counters(&before);
    EXPECT_EQ(before.kernels_loaded - after.kernels_loaded, 1u) << "what was unloaded is loaded again";
    attune_device_unload(&mine);
}

TEST_F(Vulkan, KeepsTheOrderOfCallsAndCopies) {
    // Each call reads what the one before wrote: without the order, some would read what was there.
    Problem host;
    host.rows = host.keys = 64, host.batch = 1, host.heads = host.kv_heads = 1;
    host.build();
    const size_t bytes = host.query.size() * 4;
    void *key, *value, *output[2];
    for (void **m : {&key, &value, &output[0], &output[1]})
        ASSERT_EQ(attune_device_allocate(&device, bytes, m), ATTUNE_OK) << attune_last_error();
    // Equal keys: every output is the mean of the values, and the mean of means stays what it is.
    const std::vector<float> ones(host.query.size(), 1.0f), zeros(host.query.size(), 0.0f);
    std::vector<float> found(host.query.size());
    ASSERT_EQ(attune_device_write(&device, key, ones.data(), bytes), ATTUNE_OK);
    host.exec.device = &device;
    host.args.exec = &host.exec, host.args.lse = nullptr;
    for (int round = 0; round < 20; round++) {
        ASSERT_EQ(attune_device_write(&device, value, (round % 2 ? ones : zeros).data(), bytes), ATTUNE_OK);
        host.args.query = host.args.key = key;
        for (int call = 0; call < 6; call++) {
            host.args.value = call ? output[(call + 1) % 2] : value;
            host.args.output = output[call % 2];
            for (int d = 0; d < 3; d++)
                host.args.stride_value[d] = host.args.stride_output[d];
            ASSERT_EQ(attune_kernel_run(&fake.kernel, &host.args), ATTUNE_OK) << attune_last_error();
        }
        ASSERT_EQ(attune_device_read(&device, found.data(), output[1], bytes), ATTUNE_OK);
        EXPECT_NEAR(found[0], round % 2, 1e-5) << round;
        EXPECT_NEAR(found[63 * 3 + 2], round % 2, 1e-5) << round;
    }
    for (void *m : {key, value, output[0], output[1]})
        attune_device_free_memory(&device, m);
}

TEST_F(Vulkan, ServesManyThreadsOnOneQueue) {
    OwnDevice own;
    const attune_device mine = own.described();
    std::atomic<int> failures = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            Problem own_problem;
            own_problem.rows = 3 + t;  // sizes and strides of their own: scalars must not mix
            own_problem.build();
            for (int i = 0; i < 5; i++)
                failures += attune_kernel_run_copied(&fake.kernel, &own_problem.args, &mine) != ATTUNE_OK;
            own_problem.expect_right();
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(failures, 0);
    attune_device_unload(&mine);
}

TEST_F(Vulkan, AllocatesAndCopies) {
    char name[100];
    EXPECT_NE(std::string(attune_device_name(&device, name, sizeof name)), "");
    EXPECT_EQ(std::string(attune_device_name(&device, name, 4)).size(), 3u);
    const std::vector<int> numbers = {3, 1, 4, 1, 5};
    std::vector<int> back(5);
    void *memory = nullptr, *smallest = nullptr, *nothing = nullptr;
    ASSERT_EQ(attune_device_allocate(&device, 20, &memory), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(attune_device_write(&device, memory, numbers.data(), 20), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(attune_device_read(&device, back.data(), memory, 20), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(back, numbers);
    EXPECT_EQ(attune_device_synchronize(&device), ATTUNE_OK);
    EXPECT_EQ(attune_device_write(&device, memory, numbers.data(), 1 << 20), ATTUNE_INVALID_ARGUMENT);
    EXPECT_NE(std::string(attune_last_error()).find("1048576 bytes are to be copied but memory has"), std::string::npos) << attune_last_error();
    EXPECT_EQ(attune_device_allocate(&device, 0, &smallest), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(attune_device_allocate(&device, size_t(1) << 45, &nothing), ATTUNE_OUT_OF_MEMORY);
    EXPECT_NE(std::string(attune_last_error()).find("failed with VK_ERROR_OUT_OF_"), std::string::npos) << attune_last_error();
    attune_device_free_memory(&device, memory);
    attune_device_free_memory(&device, smallest);
    attune_device_free_memory(&device, &nothing);  // not one of the runtime's: left alone
}

TEST_F(Vulkan, CopiesMoreThanAStageHolds) {
    std::vector<uint32_t> numbers((40 << 20) / 4 + 1), back(numbers.size());
    for (size_t i = 0; i < numbers.size(); i++)
        numbers[i] = uint32_t(i * 2654435761u);
    void *memory = nullptr;
    ASSERT_EQ(attune_device_allocate(&device, numbers.size() * 4, &memory), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(attune_device_write(&device, memory, numbers.data(), numbers.size() * 4), ATTUNE_OK) << attune_last_error();
    EXPECT_EQ(attune_device_read(&device, back.data(), memory, back.size() * 4), ATTUNE_OK) << attune_last_error();
    EXPECT_TRUE(back == numbers);
    attune_device_free_memory(&device, memory);
}

TEST_F(Vulkan, RefusesDamagedCode) {
    const Words whole = packed;
    for (size_t words = 0; words < whole.size(); words += words < 40 ? 1 : 97) {
        packed.assign(whole.begin(), whole.begin() + std::ptrdiff_t(words));
        EXPECT_EQ(failure(ATTUNE_INTERNAL), "attune: the code of kernel function main is not SPIR-V as it was generated; generate it again")
            << words;
        attune_device_unload(&device);
    }
    const size_t code = whole.size() - std::size(attend_spirv);
    for (size_t at = 0; at <= code; at++) {  // numbers that lead outside, and some that do not matter
        packed = whole;
        packed[at] = 0xfffffff0;
        p.build();
        const attune_status status = attune_kernel_run_copied(&fake.kernel, &p.args, &device);
        EXPECT_TRUE(status == ATTUNE_OK || status == ATTUNE_INTERNAL || status == ATTUNE_DEVICE) << at << ": " << attune_last_error();
        attune_device_unload(&device);
    }
    packed = whole;
    p.build();
    EXPECT_EQ(attune_kernel_run_copied(&fake.kernel, &p.args, &device), ATTUNE_OK) << attune_last_error();
    p.expect_right();
}

TEST_F(Vulkan, NamesWhatTheDeviceDoesNotHave) {
    image.shared_floats = 1 << 28;
    packed = image.pack();
    EXPECT_NE(failure(ATTUNE_DEVICE).find("kernel function main needs 1073741824 bytes of shared memory but the device has"), std::string::npos);
    attune_device_unload(&device);
    image = {};
    image.buffers = 1000;
    packed = image.pack();
    EXPECT_NE(failure(ATTUNE_DEVICE).find("kernel function main has 1000 arrays but the device takes"), std::string::npos);
    attune_device_unload(&device);
    image = {};
    image.constants = 1;
    packed = image.pack();
    EXPECT_EQ(failure(ATTUNE_INTERNAL),
              "attune: kernel function main has work-groups or shared memory of no constant size; please report it");
}

TEST_F(Vulkan, NamesAKernelFunctionThatIsMissing) {
    entry = "missing";
    EXPECT_EQ(failure(ATTUNE_DEVICE), "attune: the code has no kernel function missing");
}

TEST_F(Vulkan, RefusesLaunchesBeyondTheDevicesLimits) {
    threads = 1 << 20;
    EXPECT_NE(failure(ATTUNE_DEVICE).find("kernel function main has work-groups of 1048576 x 1 x 1 threads but the device takes"), std::string::npos);
    threads = 4;
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(static_cast<VkPhysicalDevice>(device.physical_device), &properties);
    if (properties.limits.maxComputeWorkGroupCount[0] > 1u << 30)
        return;
    more_groups = int(properties.limits.maxComputeWorkGroupCount[0]);
    const std::string message = failure(ATTUNE_DEVICE);
    EXPECT_NE(message.find("is launched on " + std::to_string(6 + more_groups) + " x 4 x 2 work-groups but the device takes"), std::string::npos)
        << message;
}

TEST_F(Vulkan, RefusesScalarsAndArraysThatTheCodeDoesNotTake) {
    image.buffers = 8;
    packed = image.pack();
    EXPECT_EQ(failure(ATTUNE_INTERNAL), "attune: kernel function main is launched with 7 arrays and 84 bytes of scalars; please report it");
}

TEST_F(Vulkan, CountsDevicesFromZero) {
    attune_device other{};
    const int count = attune_device_count(ATTUNE_API_VULKAN);
    EXPECT_EQ(attune_device_open(ATTUNE_API_VULKAN, count, &other), ATTUNE_INVALID_ARGUMENT);
    EXPECT_EQ(attune_device_open(ATTUNE_API_VULKAN, -1, &other), ATTUNE_INVALID_ARGUMENT);
}

}  // namespace
