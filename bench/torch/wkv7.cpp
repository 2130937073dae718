// bench/torch/wkv7.cpp - RWKV-7's recurrence as an operator of PyTorch: plain loops over one
// head at a time, which the compiler vectorizes, and OpenMP over batch and heads.  As the
// operators in use do, forward keeps a state every 16 steps; backward computes the states
// between anew.
#include <torch/extension.h>

#include <vector>

using at::Tensor;

namespace {

constexpr int CHUNK = 16;

// S (N, N) is [key][value].  One step; s (N) may be the caller's to keep.
template <int N>
inline void step(float *out, const float *S, float *s, const float *w, const float *k,
                 const float *v, const float *a, const float *b)
{
    for (int j = 0; j < N; j++)
        s[j] = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            s[j] += S[i * N + j] * a[i];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            out[i * N + j] = S[i * N + j] * w[i] + b[i] * s[j] + k[i] * v[j];
}

template <int N>
void forward_head(float *y, float *keep, const float *const in[6], int T, int stride)
{
    std::vector<float> S(N * N, 0.f), s(N);
    for (int t = 0; t < T; t++) {
        if (t % CHUNK == 0)
            std::copy(S.begin(), S.end(), keep + (size_t)(t / CHUNK) * N * N);
        size_t at = (size_t)t * stride;
        step<N>(S.data(), S.data(), s.data(), in[1] + at, in[2] + at, in[3] + at, in[4] + at,
                in[5] + at);
        float *o = y + at;
        const float *r = in[0] + at;
        for (int j = 0; j < N; j++)
            o[j] = 0;
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                o[j] += S[i * N + j] * r[i];
    }
}

template <int N>
void backward_head(float *const grad[6], const float *dy, const float *keep,
                   const float *const in[6], int T, int stride)
{
    std::vector<float> states((CHUNK + 1) * N * N), s(CHUNK * N), D(N * N, 0.f), ds(N);
    for (int chunk = (T - 1) / CHUNK; chunk >= 0; chunk--) {
        int first = chunk * CHUNK, n = std::min(CHUNK, T - first);
        std::copy(keep + (size_t)chunk * N * N, keep + (size_t)(chunk + 1) * N * N, states.begin());
        for (int i = 0; i < n; i++) {
            size_t at = (size_t)(first + i) * stride;
            step<N>(&states[(i + 1) * N * N], &states[i * N * N], &s[i * N], in[1] + at, in[2] + at,
                    in[3] + at, in[4] + at, in[5] + at);
        }
        for (int i = n - 1; i >= 0; i--) {
            size_t at = (size_t)(first + i) * stride;
            const float *before = &states[i * N * N], *after = &states[(i + 1) * N * N];
            const float *r = in[0] + at, *w = in[1] + at, *k = in[2] + at, *v = in[3] + at,
                        *a = in[4] + at, *b = in[5] + at, *g = dy + at, *sa = &s[i * N];
            float *dv = grad[3] + at;
            for (int j = 0; j < N; j++)
                dv[j] = ds[j] = 0;
            for (int c = 0; c < N; c++)
                for (int j = 0; j < N; j++) {
                    float d = D[c * N + j] + r[c] * g[j];
                    D[c * N + j] = d;
                    dv[j] += d * k[c];
                    ds[j] += d * b[c];
                }
            for (int c = 0; c < N; c++) {
                float dr = 0, dw = 0, dk = 0, da = 0, db = 0;
                for (int j = 0; j < N; j++) {
                    float d = D[c * N + j], S = before[c * N + j];
                    dr += after[c * N + j] * g[j];
                    dw += d * S;
                    dk += d * v[j];
                    da += S * ds[j];
                    db += d * sa[j];
                    D[c * N + j] = d * w[c] + a[c] * ds[j];
                }
                grad[0][at + c] = dr;
                grad[1][at + c] = dw;
                grad[2][at + c] = dk;
                grad[4][at + c] = da;
                grad[5][at + c] = db;
            }
        }
    }
}

// The heads of size 64; the benchmark has no others.
constexpr int N = 64;

std::vector<Tensor> forward(Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b)
{
    int B = r.size(0), T = r.size(1), H = r.size(2), chunks = (T + CHUNK - 1) / CHUNK;
    TORCH_CHECK(r.size(3) == N, "heads of size 64 alone");
    Tensor y = at::empty_like(r), keep = at::empty({B, H, chunks, N, N}, r.options());
    const float *p[6] = {r.data_ptr<float>(), w.data_ptr<float>(), k.data_ptr<float>(),
                         v.data_ptr<float>(), a.data_ptr<float>(), b.data_ptr<float>()};
    float *py = y.data_ptr<float>(), *pk = keep.data_ptr<float>();
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < B * H; i++) {
        size_t at = (size_t)(i / H) * T * H * N + (size_t)(i % H) * N;
        const float *in[6];
        for (int j = 0; j < 6; j++)
            in[j] = p[j] + at;
        forward_head<N>(py + at, pk + (size_t)i * chunks * N * N, in, T, H * N);
    }
    return {y, keep};
}

std::vector<Tensor> backward(Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b,
                             Tensor keep, Tensor dy)
{
    int B = r.size(0), T = r.size(1), H = r.size(2), chunks = (T + CHUNK - 1) / CHUNK;
    std::vector<Tensor> grads;
    float *pg[6];
    for (int j = 0; j < 6; j++) {
        grads.push_back(at::empty_like(r));
        pg[j] = grads[j].data_ptr<float>();
    }
    const float *p[6] = {r.data_ptr<float>(), w.data_ptr<float>(), k.data_ptr<float>(),
                         v.data_ptr<float>(), a.data_ptr<float>(), b.data_ptr<float>()};
    const float *pd = dy.data_ptr<float>(), *pk = keep.data_ptr<float>();
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < B * H; i++) {
        size_t at = (size_t)(i / H) * T * H * N + (size_t)(i % H) * N;
        const float *in[6];
        float *grad[6];
        for (int j = 0; j < 6; j++) {
            in[j] = p[j] + at;
            grad[j] = pg[j] + at;
        }
        backward_head<N>(grad, pd + at, pk + (size_t)i * chunks * N * N, in, T, H * N);
    }
    return grads;
}

} // namespace

TORCH_LIBRARY(bench, m)
{
    m.def("wkv7(Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b) -> Tensor[]");
    m.def("wkv7_backward(Tensor r, Tensor w, Tensor k, Tensor v, Tensor a, Tensor b, Tensor keep, "
          "Tensor dy) -> Tensor[]");
}

TORCH_LIBRARY_IMPL(bench, CPU, m)
{
    m.impl("wkv7", &forward);
    m.impl("wkv7_backward", &backward);
}
