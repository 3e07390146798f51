#include "ring.h"

#include <utility>

Part attend_in_ring(MPI_Comm ring, int64_t tokens, const std::vector<float> &query, const std::vector<float> &key,
                    const std::vector<float> &value, RingTimes &times) {
    int rank = 0, ranks = 1;
    MPI_Comm_rank(ring, &rank);
    MPI_Comm_size(ring, &ranks);
    const int next = (rank + 1) % ranks, previous = (rank + ranks - 1) % ranks;
    const Tokens rows = chunk_of(tokens, rank, ranks);
    const auto elements = [&](int chunk) { return size_t(chunk_of(tokens, chunk, ranks).count * num_kv_heads * head_dim); };

    // Keys, then values, of the chunk that is here and of the one that comes. Chunks differ by a token at most.
    std::vector<float> here(key), coming;
    here.insert(here.end(), value.begin(), value.end());
    std::vector<Part> parts(static_cast<size_t>(ranks));  // by chunk, whenever it arrives
    for (int step = 0; step < ranks; step++) {
        const int chunk = (rank + ranks - step) % ranks, chunk_after = (chunk + ranks - 1) % ranks;
        MPI_Request requests[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
        if (step + 1 < ranks) {
            coming.resize(2 * elements(chunk_after));
            MPI_Irecv(coming.data(), int(coming.size()), MPI_FLOAT, previous, step, ring, &requests[0]);
            MPI_Isend(here.data(), int(here.size()), MPI_FLOAT, next, step, ring, &requests[1]);
        }
        const double start = MPI_Wtime();
        if (chunk <= rank)  // causal: chunks after the own one are hidden whole, and only pass
            parts[size_t(chunk)] = attend(query.data(), rows, here.data(), here.data() + elements(chunk), chunk_of(tokens, chunk, ranks));
        const double computed = MPI_Wtime();
        MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
        times.computing += computed - start;
        times.waiting += MPI_Wtime() - computed;
        std::swap(here, coming);
    }
    const double start = MPI_Wtime();
    Part whole = merge(parts, rows);
    times.merging += MPI_Wtime() - start;
    return whole;
}
