// Sums of squares of a block: a tree in shared memory, then shuffles.
__device__ __noinline__ float square(float x) { return x * x; }
extern "C" __global__ void block_sum(int n, const float *x, float *sums, int *count) {
    __shared__ float part[256];
    int t = threadIdx.x;
    float s = 0;
    for (int i = blockIdx.x * 256 + t; i < n; i += gridDim.x * 256) s += square(x[i]);
    part[t] = s;
    __syncthreads();
    for (int half = 128; half >= 32; half /= 2) {
        if (t < half) part[t] += part[t + half];
        __syncthreads();
    }
    if (t < 32) {
        s = part[t];
        for (int d = 16; d; d /= 2) s += __shfl_down_sync(0xffffffff, s, d);
        if (t == 0) { sums[blockIdx.x] = s; atomicAdd(count, 1); }
    }
}
