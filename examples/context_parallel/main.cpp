// Causal attention over one sequence, a chunk of which each process holds: a ring over MPI. Checked by rank 0, which makes the whole
// sequence for that: bit for bit against one process with the same chunks, and against loops in double.
//   mpirun -n 4 context_parallel [tokens]
#include "loops.h"
#include "ring.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

namespace {

/// The chunks' rows on rank 0, in order; elsewhere nothing.
std::vector<float> gather(const std::vector<float> &rows, int64_t tokens, int64_t width, int rank, int ranks) {
    std::vector<int> counts, firsts;
    for (int i = 0; i < ranks; i++) {
        counts.push_back(int(chunk_of(tokens, i, ranks).count * width));
        firsts.push_back(int(chunk_of(tokens, i, ranks).first * width));
    }
    std::vector<float> all(rank == 0 ? size_t(tokens * width) : 0);
    MPI_Gatherv(rows.data(), int(rows.size()), MPI_FLOAT, all.data(), counts.data(), firsts.data(), MPI_FLOAT, 0, MPI_COMM_WORLD);
    return all;
}

bool same_bits(const std::vector<float> &a, const float *b) {
    return std::memcmp(a.data(), b, a.size() * sizeof(float)) == 0;
}

/// Rank 0: prints what `found`, from the ring, is worth. False where it is wrong.
bool check(const Part &found, int64_t tokens, int chunks) {
    const Tokens all{0, tokens};
    const std::vector<float> query = make_input(Tensor::query, all), key = make_input(Tensor::key, all),
                             value = make_input(Tensor::value, all);

    // The ring's calls, one after another, and those that it leaves out, of chunks that are hidden whole.
    const double start = MPI_Wtime();
    bool equal = true;
    for (int i = 0; i < chunks; i++) {
        const Tokens rows = chunk_of(tokens, i, chunks);
        std::vector<Part> parts;
        for (int j = 0; j < chunks; j++) {
            const Tokens keys = chunk_of(tokens, j, chunks);
            parts.push_back(attend(query.data() + rows.first * num_heads * head_dim, rows,
                                   key.data() + keys.first * num_kv_heads * head_dim, value.data() + keys.first * num_kv_heads * head_dim,
                                   keys));
        }
        const Part part = merge(parts, rows);
        equal = equal && same_bits(part.output, found.output.data() + rows.first * num_heads * head_dim) &&
                same_bits(part.lse, found.lse.data() + rows.first * num_heads);
    }
    std::printf("one process, the same chunks: %.1f ms; output and lse %s\n", 1e3 * (MPI_Wtime() - start),
                equal ? "have the same bits" : "DIFFER");

    const double share = share_of_bound(query, key, value, tokens, chunks, found);
    std::printf("loops in double: the largest difference is %.3f of the error bound%s\n", share, share <= 1 ? "" : ", WRONG");
    return equal && share <= 1;
}

int run(int64_t tokens) {
    int rank = 0, ranks = 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    const Tokens own = chunk_of(tokens, rank, ranks);
    const std::vector<float> query = make_input(Tensor::query, own), key = make_input(Tensor::key, own),
                             value = make_input(Tensor::value, own);

    RingTimes times;
    attend_in_ring(MPI_COMM_WORLD, tokens, query, key, value, times);  // once unmeasured: threads, pages and connections
    times = {};
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    const Part mine = attend_in_ring(MPI_COMM_WORLD, tokens, query, key, value, times);
    MPI_Barrier(MPI_COMM_WORLD);
    const double seconds = MPI_Wtime() - start;

    const Part found{gather(mine.output, tokens, num_heads * head_dim, rank, ranks), gather(mine.lse, tokens, num_heads, rank, ranks)};
    double each[3] = {times.computing, times.waiting, times.merging}, most[3] = {};
    MPI_Reduce(each, most, 3, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    int right = 1;
    if (rank == 0) {
        std::printf("%lld tokens in %d chunks, %d heads on %d, head_dim %d, causal, f32\n", static_cast<long long>(tokens), ranks,
                    int(num_heads), int(num_kv_heads), int(head_dim));
        std::printf("ring: %.1f ms; at most %.1f computing, %.1f waiting for chunks, %.1f merging\n", 1e3 * seconds, 1e3 * most[0],
                    1e3 * most[1], 1e3 * most[2]);
        right = check(found, tokens, ranks);
    }
    MPI_Bcast(&right, 1, MPI_INT, 0, MPI_COMM_WORLD);
    return right ? 0 : 1;
}

}  // namespace

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    const int64_t tokens = argc > 1 ? std::atoll(argv[1]) : 1000;
    int code = 2;
    if (tokens < 1 || tokens > 100000)
        std::fprintf(stderr, "context_parallel: tokens is '%s' but must be 1 to 100000\n", argv[1]);
    else
        try {
            code = run(tokens);
        } catch (const std::exception &e) {
            std::fprintf(stderr, "context_parallel: %s\n", e.what());
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
    MPI_Finalize();
    return code;
}
