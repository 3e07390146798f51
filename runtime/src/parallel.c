/// The pool: all state under one lock, which bodies never hold. Bodies are few (one a thread) and long, so the lock is rarely met.
/// The caller works too, and would do everything alone where no thread could be started: nothing ever waits for a thread to appear.
#include "parallel.h"

#include "threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/// Pauses (some 10 ns to 40 ns each) before a thread sleeps: covers the gap between the two phases of a call and between the
/// layers of a model, and is over before it costs another process a time slice.
enum { spin_pauses = 512 };

/// Generated code keeps block buffers on the stack; musl's default of 128 KiB is too small. Pages are touched only as used.
enum { stack_bytes = 8 << 20 };

static struct {
    atomic_bool taken;          // a call owns the pool
    pthread_mutex_t lock;       // everything below
    pthread_cond_t work, done;  // bodies to start; all bodies returned
    pthread_t threads[ATTUNE_MAX_THREADS - 1];
    int32_t num_threads, num_sleeping;
    bool stopping;
    // The call being served: indices next .. count - 1 are not yet started, `unfinished` have not yet returned.
    void (*body)(void *data, int32_t index);
    void *data;
    int32_t count, next;
    atomic_int unfinished;  // atomic for the spins only
    atomic_uint served;     // calls so far: changes when there is work
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static void pause_cpu(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Runs bodies of the current call until all are started. Enters and leaves with the lock held.
static void run_bodies(void) {
    while (pool.next < pool.count) {
        int32_t index = pool.next++;
        void (*body)(void *, int32_t) = pool.body;
        void *data = pool.data;
        pthread_mutex_unlock(&pool.lock);
        body(data, index);
        pthread_mutex_lock(&pool.lock);
        if (atomic_fetch_sub(&pool.unfinished, 1) == 1)
            pthread_cond_signal(&pool.done);
    }
}

static void *worker(void *unused) {
    (void)unused;
    pthread_mutex_lock(&pool.lock);
    while (!pool.stopping) {
        run_bodies();
        unsigned seen = atomic_load(&pool.served);
        pthread_mutex_unlock(&pool.lock);
        for (int i = 0; i < spin_pauses && atomic_load_explicit(&pool.served, memory_order_relaxed) == seen; i++)
            pause_cpu();
        pthread_mutex_lock(&pool.lock);
        while (pool.next >= pool.count && !pool.stopping) {
            pool.num_sleeping++;
            pthread_cond_wait(&pool.work, &pool.lock);
            pool.num_sleeping--;
        }
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

static void before_fork(void) {
    pthread_mutex_lock(&pool.lock);
}
static void after_fork_in_parent(void) {
    pthread_mutex_unlock(&pool.lock);
}
/// The child has none of the threads, and condition variables that still count them as waiters.
static void after_fork_in_child(void) {
    pool.num_threads = pool.num_sleeping = 0;
    pool.count = pool.next = 0;
    atomic_store(&pool.unfinished, 0);
    pool.work = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    pool.done = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    atomic_store(&pool.taken, false);
    pthread_mutex_unlock(&pool.lock);
}
static void watch_forks(void) {
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/// Starts threads until there are `wanted`; fewer where the system refuses. Called with the lock held.
static void start_threads(int32_t wanted) {
    if (pool.stopping || pool.num_threads >= wanted)
        return;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes))
        return;
    pthread_attr_setstacksize(&attributes, stack_bytes);
    // Workers inherit a full mask: the application's signals go to the application's threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.num_threads < wanted && pool.num_threads < ATTUNE_MAX_THREADS - 1 &&
           pthread_create(&pool.threads[pool.num_threads], &attributes, worker, NULL) == 0)
        pool.num_threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

/// A library that holds this runtime may be unloaded, and its threads must not outlive their code. Not when a call is under way
/// (exit() beside a running call): that would wait for it.
__attribute__((destructor)) static void stop_threads(void) {
    if (atomic_exchange(&pool.taken, true))
        return;
    pthread_mutex_lock(&pool.lock);
    pool.stopping = true;
    int32_t num_threads = pool.num_threads;
    pool.num_threads = 0;
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    for (int32_t i = 0; i < num_threads; i++)
        pthread_join(pool.threads[i], NULL);
    atomic_store(&pool.taken, false);
}

int attune_pool_parallel_for(void *context, int32_t count, void (*body)(void *data, int32_t index), void *data) {
    (void)context;
    if (count <= 1 || atomic_exchange(&pool.taken, true)) {
        for (int32_t i = 0; i < count; i++)
            body(data, i);
        return 0;
    }
    static pthread_once_t watching = PTHREAD_ONCE_INIT;
    pthread_once(&watching, watch_forks);

    pthread_mutex_lock(&pool.lock);
    start_threads(count - 1);
    pool.body = body;
    pool.data = data;
    pool.next = 0;
    pool.count = count;
    atomic_store(&pool.unfinished, count);
    atomic_fetch_add(&pool.served, 1);
    for (int32_t i = 0; i < count - 1 && i < pool.num_sleeping; i++)
        pthread_cond_signal(&pool.work);
    run_bodies();
    if (atomic_load(&pool.unfinished) > 0) {
        pthread_mutex_unlock(&pool.lock);
        for (int i = 0; i < spin_pauses && atomic_load_explicit(&pool.unfinished, memory_order_relaxed) > 0; i++)
            pause_cpu();
        pthread_mutex_lock(&pool.lock);
        while (atomic_load(&pool.unfinished) > 0)
            pthread_cond_wait(&pool.done, &pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
    atomic_store(&pool.taken, false);
    return 0;
}
