/* Models of every version through every format and back: pth, safetensors, GGUF, rwkv.cpp's
 * .bin, pth.  The tensors at the end are those of the beginning, bit for bit, except where
 * the .bin holds a function of a value instead of the value. */
#include "api.h"

#include "support/forge.h"

enum { LINKS = 5, LAYERS = 3, WIDTH = 96, HEAD = 32, VOCAB = 300 };

static const char *const chain[LINKS] = {"chain.pth", "chain.safetensors", "chain.gguf",
                                         "chain.bin", "chain_back.pth"};

static void read_logits(const char *path, float *out)
{
    static const int32_t ids[] = {7, 299, 0, 42, 42};
    wkv_model *m = open_model(path, 1);
    wkv_session *s = open_session(m);
    assert_int_equal(vocab_of(m), VOCAB);
    feed(s, ids, 5);
    memcpy(out, wkv_session_logits(s), VOCAB * sizeof *out);
    wkv_session_close(&s);
    wkv_model_close(&m);
}

static size_t find(const wkv_file *f, const char *name, wkv_file_tensor *t)
{
    size_t i = 0;
    for (; i < wkv_file_tensor_count(f); i++) {
        wkv_file_tensor_at(f, i, t);
        if (strcmp(t->name, name) == 0)
            return i;
    }
    fail_msg("%s is gone", name);
    return i;
}

static size_t count_of(const wkv_file_tensor *t)
{
    size_t n = 1;
    for (int d = 0; d < t->ndim; d++)
        n *= (size_t)t->dim[d];
    return n;
}

/* What the .bin does to a tensor: nothing; of a decay it holds a function, which is what must
 * be kept; and values of RWKV-5 are divided by eight, which its smaller epsilon undoes. */
static double seen(const char *arch, const char *name, float v)
{
    const bool decay = strstr(name, ".att.time_decay") != NULL;
    if (decay && strcmp(arch, "rwkv4") == 0)
        return exp((double)v);
    if (strcmp(arch, "rwkv5") != 0)
        return (double)v;
    return decay ? exp(-exp((double)v)) : (double)v;
}

static void must_be_kept(const char *arch, const char *name, const float *a, const float *b,
                         size_t n)
{
    const bool v5 = strcmp(arch, "rwkv5") == 0, old = v5 || strcmp(arch, "rwkv4") == 0;
    const bool decay = old && strstr(name, ".att.time_decay") != NULL;
    const float factor = v5 && strstr(name, ".att.value.") != NULL ? 8 : 1;
    for (size_t i = 0; i < n; i++) {
        const double x = seen(arch, name, a[i]), y = seen(arch, name, factor * b[i]);
        if (!(fabs(x - y) <= (decay ? 2e-7 * fmax(x, 1e-3) : 0)))
            fail_msg("%s, %s[%zu]: %.9g became %.9g", arch, name, i, (double)a[i], (double)b[i]);
    }
}

static void compare(const char *arch)
{
    wkv_error err;
    wkv_file *first, *last;
    must(wkv_file_open(&first, chain[0], &err), &err);
    must(wkv_file_open(&last, chain[LINKS - 1], &err), &err);
    assert_int_equal(wkv_file_tensor_count(first), wkv_file_tensor_count(last));
    for (size_t i = 0; i < wkv_file_tensor_count(first); i++) {
        wkv_file_tensor a, b;
        wkv_file_tensor_at(first, i, &a);
        const size_t j = find(last, a.name, &b), n = count_of(&a);
        assert_int_equal(count_of(&b), n);
        assert_string_equal(a.dtype, b.dtype);
        float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
        must(wkv_file_tensor_read(first, i, x, &err), &err);
        must(wkv_file_tensor_read(last, j, y, &err), &err);
        must_be_kept(arch, a.name, x, y, n);
        free(x);
        free(y);
    }
    wkv_file_close(&first);
    wkv_file_close(&last);
}

static void go_through(const char *arch)
{
    wkv_error err;
    wkv_random_opts o;
    float before[VOCAB], after[VOCAB];
    wkv_random_opts_init(&o);
    o.arch = arch;
    o.layers = LAYERS;
    o.width = WIDTH;
    o.head_size = HEAD;
    o.vocab_size = VOCAB;
    must(wkv_random_model(chain[0], &o, &err), &err);
    read_logits(chain[0], before);
    for (int i = 1; i < LINKS; i++) {
        must(wkv_convert(chain[i - 1], chain[i], NULL, &err), &err);
        read_logits(chain[i], after);
        if (relative_difference(after, before, VOCAB) > 1e-5)
            fail_msg("%s, %s: the logits differ by %g", arch, chain[i],
                     relative_difference(after, before, VOCAB));
    }
    compare(arch);
}

static void test_rwkv4(void **state)
{
    go_through("rwkv4");
}

static void test_rwkv5(void **state)
{
    go_through("rwkv5");
}

static void test_rwkv6(void **state)
{
    go_through("rwkv6");
}

static void test_rwkv7(void **state)
{
    go_through("rwkv7");
}

/* rwkv.cpp knows neither other epsilons nor other tensors; such models are refused. */
static void test_what_bin_cannot_hold(void **state)
{
    wkv_error err;
    tiny_model_write("chain.safetensors", &tiny_rwkv7);
    forge("chain_forged.safetensors", "chain.safetensors",
          &(forgery){.meta_key = "wkv.gn_eps", .meta_value = "1e-05"});
    must_fail(wkv_convert("chain_forged.safetensors", "chain.bin", NULL, &err), WKV_E_UNSUPPORTED,
              &err, "epsilon of 1e-05");
    forge("chain_forged.safetensors", "chain.safetensors", &(forgery){.drop = "blocks.1.att.x_k"});
    must_fail(wkv_convert("chain_forged.safetensors", "chain.bin", NULL, &err), WKV_E_SHAPE, &err,
              "blocks.1.att.x_k");
    forge_plain("chain_forged.safetensors", false);
    must_fail(wkv_convert("chain_forged.safetensors", "chain.bin", NULL, &err), WKV_E_UNSUPPORTED,
              &err, "no RWKV model");
    wkv_convert_opts o;
    wkv_convert_opts_init(&o);
    o.dtype = "bf16";
    must_fail(wkv_convert("chain.safetensors", "chain.bin", &o, &err), WKV_E_UNSUPPORTED, &err,
              "bf16");
}

static int remove_files(void **state)
{
    for (int i = 0; i < LINKS; i++)
        unlink(chain[i]);
    unlink("chain_forged.safetensors");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rwkv4),
        cmocka_unit_test(test_rwkv5),
        cmocka_unit_test(test_rwkv6),
        cmocka_unit_test(test_rwkv7),
        cmocka_unit_test(test_what_bin_cannot_hold),
    };
    return cmocka_run_group_tests_name("chain", tests, NULL, remove_files);
}
