#include "problem.h"

#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <thread>

namespace {

/// Registered kernels stay for ever, so these are never freed.
attune_kernel *make_kernel(const char *name, const char *id) {
    static std::vector<std::unique_ptr<FakeKernel>> kept;
    kept.push_back(std::make_unique<FakeKernel>());
    script = nullptr;
    attune_kernel *kernel = &kept.back()->kernel;
    kernel->info.name = name;
    kernel->info.id = id;
    return kernel;
}

TEST(Registry, ListsInOrderAndFindsByNameAndId) {
    const size_t before = attune_kernel_count();
    if (attune_kernel_find("registry_a"))
        GTEST_SKIP() << "a repeated run of this process finds the kernels of the first";
    attune_kernel *a = make_kernel("registry_a", "attune_registry_a"), *b = make_kernel("registry_b", "attune_registry_b");
    attune_register_kernel(a);
    attune_register_kernel(b);
    attune_register_kernel(a);  // does nothing
    attune_register_kernel(b);
    attune_register_kernel(nullptr);
    EXPECT_EQ(attune_kernel_count(), before + 2);
    EXPECT_EQ(attune_kernel_at(before), a);
    EXPECT_EQ(attune_kernel_at(before + 1), b);
    EXPECT_EQ(attune_kernel_at(before + 2), nullptr);
    EXPECT_EQ(attune_kernel_at(SIZE_MAX), nullptr);
    EXPECT_EQ(attune_kernel_find("registry_b"), b);
    EXPECT_EQ(attune_kernel_find("attune_registry_a"), a);
    EXPECT_EQ(attune_kernel_find("registry_c"), nullptr);
    EXPECT_EQ(attune_kernel_find(nullptr), nullptr);
    EXPECT_STREQ(attune_kernel_describe(a)->name, "registry_a");
    EXPECT_EQ(attune_kernel_describe(nullptr), nullptr);
}

TEST(Registry, LeavesKernelsOfAnotherAbiOut) {
    const size_t before = attune_kernel_count();
    attune_kernel *foreign = make_kernel("foreign", "foreign");
    foreign->abi = ATTUNE_KERNEL_ABI + 1;
    attune_register_kernel(foreign);
    EXPECT_EQ(attune_kernel_count(), before);
    EXPECT_EQ(attune_kernel_describe(foreign), nullptr);
    EXPECT_EQ(attune_kernel_target(foreign), nullptr);
}

TEST(Registry, TakesKernelsFromManyThreads) {
    const size_t before = attune_kernel_count();
    constexpr int num_threads = 4, each = 50;
    std::vector<attune_kernel *> kernels;
    for (int i = 0; i < num_threads * each; i++)
        kernels.push_back(make_kernel("crowd", "crowd"));
    std::vector<std::thread> threads;
    for (int t = 0; t < num_threads; t++)
        threads.emplace_back([&, t] {
            for (int i = 0; i < each; i++) {
                attune_register_kernel(kernels[t * each + i]);
                attune_register_kernel(kernels[i]);  // all threads offer these
            }
        });
    for (auto &t : threads)
        t.join();
    std::set<const attune_kernel *> listed;
    for (size_t i = before; i < attune_kernel_count(); i++)
        listed.insert(attune_kernel_at(i));
    EXPECT_EQ(attune_kernel_count(), before + kernels.size());
    EXPECT_EQ(listed, std::set<const attune_kernel *>(kernels.begin(), kernels.end()));
}

}  // namespace
