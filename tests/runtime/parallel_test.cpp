/// Attune's pool, and threads of the caller's own.
#include "problem.h"

#include <atomic>
#include <csignal>
#include <filesystem>
#include <gtest/gtest.h>
#include <numeric>
#include <set>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
/// Children of a forked process start threads here, which this sanitizer refuses otherwise.
extern "C" const char *__tsan_default_options() {
    return "die_after_fork=0";
}
#endif

namespace {

/// Many small calls on `threads` threads.
void run_calls(FakeKernel &fake, int calls, int threads) {
    Problem p;
    p.rows = 37;
    p.build();
    p.exec.num_threads = threads;
    p.give_workspace(&fake.kernel);
    for (int i = 0; i < calls; i++)
        ASSERT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_OK) << attune_last_error();
    p.expect_right();
}

TEST(Pool, UsesSeveralThreads) {
    FakeKernel fake;
    std::mutex mutex;
    std::set<std::thread::id> seen;
    script->in_exact = [&] {
        std::lock_guard lock(mutex);
        seen.insert(std::this_thread::get_id());
        usleep(1000);
    };
    for (int tries = 0; tries < 100 && seen.size() < 2; tries++)
        run_calls(fake, 1, 3);
    EXPECT_GE(seen.size(), 2u);
    EXPECT_LE(seen.size(), 3u);
}

TEST(Pool, SurvivesManyShortCalls) {
    FakeKernel fake(true);
    for (int threads : {2, 5, 3, 8})
        run_calls(fake, 100, threads);
}

TEST(Pool, ServesConcurrentCallers) {
    FakeKernel fake(true);
    std::vector<std::thread> callers;
    for (int i = 0; i < 6; i++)
        callers.emplace_back([&] { run_calls(fake, 60, 3); });
    for (auto &c : callers)
        c.join();
}

TEST(Pool, RunsNestedCallsInline) {
    FakeKernel fake;
    thread_local bool is_inner = false;
    std::atomic<int> inner_calls = 0;
    script->in_exact = [&] {
        if (is_inner)
            return;
        is_inner = true;
        Problem inner;
        inner.build();
        inner.exec.num_threads = 3;
        EXPECT_EQ(inner.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
        is_inner = false;
        inner_calls++;
    };
    run_calls(fake, 1, 3);
    EXPECT_EQ(inner_calls, 2 * 4 * 10);
}

/// Waits for a child, 20 s at most; its exit status, or -1.
int wait_for(pid_t child) {
    for (int i = 0; i < 2000; i++) {
        int status;
        if (waitpid(child, &status, WNOHANG) == child)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        usleep(10000);
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return -1;
}

TEST(Pool, WorksInAForkedChild) {
    FakeKernel fake;
    run_calls(fake, 3, 4);  // the parent's threads exist
    const pid_t child = fork();
    if (child == 0) {
        run_calls(fake, 20, 4);
        _exit(testing::Test::HasFailure() ? 1 : 0);
    }
    EXPECT_EQ(wait_for(child), 0);
    run_calls(fake, 3, 4);
}

/// A call that neither locks nor allocates outside the runtime: its kernel does nothing.
struct BareCall {
    float data[4][64] = {};
    alignas(64) uint8_t workspace[32768];
    attune_kernel_variant variant{};
    attune_kernel kernel{};
    attune_exec exec{sizeof(attune_exec), 3, nullptr, nullptr, nullptr, nullptr};
    attune_attention_args a{};

    BareCall() {
        variant.target = "bare";
        variant.block_q = variant.fold = variant.strip_rows = variant.strips = 1, variant.block_kv = variant.tile_kv = 16;
        variant.exact = [](void **) { return 0; };
        FakeKernel pattern;
        kernel = pattern.kernel;
        kernel.variants = &variant;
        a.size = sizeof a, a.version = ATTUNE_ATTENTION_ARGS_VERSION;
        a.query = data[0], a.key = data[1], a.value = data[2], a.output = data[3];
        a.batch = a.num_heads = a.num_kv_heads = 1, a.seq_len_q = 16, a.seq_len_kv = 1;
        a.stride_query[2] = a.stride_key[2] = a.stride_value[2] = a.stride_output[2] = 4;
        a.workspace = workspace, a.workspace_size = sizeof workspace, a.exec = &exec;
    }
    attune_status run() { return attune_kernel_run(&kernel, &a); }
};

TEST(Pool, WorksInAChildForkedDuringACall) {
    BareCall bare;  // the other thread may hold the fake kernel's lock or malloc's
    FakeKernel fake;
    std::atomic<bool> stop = false;
    std::thread busy([&] {
        while (!stop)
            run_calls(fake, 1, 3);
    });
    for (int i = 0; i < 10; i++) {
        const pid_t child = fork();
        if (child == 0) {
            for (int call = 0; call < 20; call++)
                if (bare.run())
                    _exit(1);
            _exit(0);
        }
        EXPECT_EQ(wait_for(child), 0);
    }
    stop = true;
    busy.join();
}

TEST(Pool, RunsWithFewerThreadsWhereNoneCanBeStarted) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "sanitizers need more address space than this test leaves";
#endif
    BareCall bare;
    bare.exec.num_threads = 16;
    const pid_t child = fork();
    if (child == 0) {
        // Less address space than is in use: no stack can be mapped, only the few be reused that fork left behind. (RLIMIT_NPROC
        // would say it more directly, but does not bind root.)
        rlimit before;
        getrlimit(RLIMIT_AS, &before);
        const rlimit tight{1 << 20, before.rlim_max};
        setrlimit(RLIMIT_AS, &tight);
        const attune_status status = bare.run();
        setrlimit(RLIMIT_AS, &before);
        const auto tasks = std::filesystem::directory_iterator("/proc/self/task");
        const auto threads = std::distance(begin(tasks), end(tasks));
        _exit(status != ATTUNE_OK ? 1 : threads < 16 ? 0 : 2);
    }
    EXPECT_EQ(wait_for(child), 0);
}

TEST(Pool, KeepsSignalsAwayFromItsThreads) {
    FakeKernel fake;
    std::atomic<bool> all_blocked = true;
    const std::thread::id caller = std::this_thread::get_id();
    script->in_exact = [&] {
        if (std::this_thread::get_id() == caller)
            return;
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        if (!sigismember(&mask, SIGINT))
            all_blocked = false;
    };
    run_calls(fake, 20, 3);
    EXPECT_TRUE(all_blocked);
}

/// What a caller's parallel_for does; `calls` counts it.
struct Own {
    enum { serial, reversed, threads, fails, skips, miscounts } how;
    int calls = 0;
};
int own_parallel_for(void *context, int32_t count, void (*body)(void *, int32_t), void *data) {
    Own *own = static_cast<Own *>(context);
    own->calls++;
    std::vector<std::thread> threads;
    switch (own->how) {
    case Own::serial:
        for (int i = 0; i < count; i++)
            body(data, i);
        return 0;
    case Own::reversed:
        for (int i = count; i-- > 0;)
            body(data, i);
        return 0;
    case Own::threads:
        for (int i = 0; i < count; i++)
            threads.emplace_back(body, data, i);
        for (auto &t : threads)
            t.join();
        return 0;
    case Own::fails:
        return 5;
    case Own::skips:
        return 0;
    case Own::miscounts:
        body(data, -1), body(data, count);
        return 0;
    }
    return 1;
}

class OwnThreads : public testing::Test {
protected:
    FakeKernel fake{true};
    Problem p;
    attune_status run(Own &own) {
        p.rows = 21;
        p.build();
        p.exec.num_threads = 4;
        p.exec.parallel_for = own_parallel_for;
        p.exec.parallel_context = &own;
        return p.run(&fake.kernel);
    }
};

TEST_F(OwnThreads, MayRunBodiesInAnyOrderOnAnyThread) {
    for (auto how : {Own::serial, Own::reversed, Own::threads}) {
        Own own{how};
        ASSERT_EQ(run(own), ATTUNE_OK) << attune_last_error();
        p.expect_right();
        EXPECT_EQ(own.calls, 2);  // key norms, then rows
    }
}

TEST_F(OwnThreads, FailureIsReported) {
    Own own{Own::fails};
    EXPECT_EQ(run(own), ATTUNE_INTERNAL);
    EXPECT_STREQ(attune_last_error(), "attune: parallel_for returned 5 but must return 0 after running its 4 bodies");
    p.expect_untouched();
}

TEST_F(OwnThreads, MissingBodiesAreNoticed) {
    for (auto how : {Own::skips, Own::miscounts}) {
        Own own{how};
        EXPECT_EQ(run(own), ATTUNE_INTERNAL);
        EXPECT_STREQ(attune_last_error(), "attune: parallel_for returned 0 but must first run each of its 4 bodies");
        p.expect_untouched();
    }
}

TEST(Threads, DefaultCanBeSetAndRestored) {
    unsetenv("ATTUNE_NUM_THREADS");
    attune_set_num_threads(0);
    const int32_t cpus = attune_num_threads();
    EXPECT_GE(cpus, 1);
    attune_set_num_threads(7);
    EXPECT_EQ(attune_num_threads(), 7);
    attune_set_num_threads(1 << 30);
    EXPECT_EQ(attune_num_threads(), 1024);
    for (const char *bad : {"0", "-3", "many", "3x", ""}) {
        setenv("ATTUNE_NUM_THREADS", bad, 1);
        attune_set_num_threads(0);
        EXPECT_EQ(attune_num_threads(), cpus) << bad;
    }
    setenv("ATTUNE_NUM_THREADS", "5", 1);
    attune_set_num_threads(0);
    EXPECT_EQ(attune_num_threads(), 5);
    unsetenv("ATTUNE_NUM_THREADS");
    attune_set_num_threads(-1);
    EXPECT_EQ(attune_num_threads(), cpus);
}

TEST(Threads, ACallWithoutExecUsesTheDefault) {
    FakeKernel fake;
    Problem p;
    p.build();
    p.args.exec = nullptr;
    attune_set_num_threads(1);
    const size_t one = attune_kernel_workspace_size(&fake.kernel, &p.args);
    attune_set_num_threads(2);
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), 2 * one);
    EXPECT_EQ(p.run(&fake.kernel), ATTUNE_OK);
    attune_set_num_threads(0);
    p.expect_right();
}

}  // namespace
