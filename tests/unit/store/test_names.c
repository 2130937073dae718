/* The names of other programs: every row of every table, in both directions. */
#include "test.h"

#include "store/names.h"

enum { MOST = 64, WIDTH = 6, OTHER = 4 };

static const char file[] = "names_test.safetensors";

/* 0, 1, 2, ...: enough for every tensor here. */
static float values[WIDTH * WIDTH];

static int set_up(void **state)
{
    for (int i = 0; i < WIDTH * WIDTH; i++)
        values[i] = (float)i;
    return 0;
}

static int tear_down(void **state)
{
    unlink(file);
    return 0;
}

static wkv_tensor tensor(const char *name, int ndim, int64_t d0, int64_t d1, int64_t d2)
{
    wkv_tensor t = {.name = name,
                    .dtype = WKV_DTYPE_F32,
                    .ndim = ndim,
                    .dim = {d0, d1, d2},
                    .data = (const uint8_t *)values};
    wkv_tensor_set_strides(&t);
    return t;
}

/* How a tensor lies in the files of its scheme. */
static wkv_tensor there(const char *name, wkv_name_form form)
{
    switch (form) {
    case WKV_NAME_ROW:
        return tensor(name, 3, 1, 1, WIDTH);
    case WKV_NAME_FLAT:
    case WKV_NAME_VECTOR:
        return tensor(name, 1, WIDTH, 0, 0);
    case WKV_NAME_TRANSPOSED:
        return tensor(name, 2, OTHER, WIDTH, 0);
    case WKV_NAME_STACKED:
        return tensor(name, 2, 6, OTHER, 0);
    default:
        return tensor(name, 2, OTHER, WIDTH, 0);
    }
}

static wkv_store *write_and_open(const wkv_tensor *t, size_t n)
{
    wkv_error err;
    wkv_store *s = NULL;
    const wkv_store_out out = {.tensors = t, .n_tensors = n, .dtype = WKV_DTYPE_COUNT};
    if (wkv_store_write(file, "safetensors", &out, &err) != WKV_OK ||
        wkv_store_open(&s, file, &err) != WKV_OK)
        fail_msg("%s", err.text);
    return s;
}

static void must_hold(const wkv_store *s, const char *name, wkv_name_form form)
{
    float got[WIDTH * WIDTH];
    const wkv_tensor *t = wkv_store_find(s, name);
    if (t == NULL)
        fail_msg("there is no %s", name);
    wkv_tensor_copy(got, t, WKV_DTYPE_F32);
    const bool turned = form == WKV_NAME_TRANSPOSED;
    const bool vector = form == WKV_NAME_ROW || form == WKV_NAME_VECTOR;
    assert_int_equal(t->ndim, vector ? 3 : form == WKV_NAME_FLAT ? 1 : 2);
    if (vector || form == WKV_NAME_FLAT) {
        assert_int_equal(t->dim[t->ndim - 1], WIDTH);
        assert_memory_equal(got, values, WIDTH * sizeof *values);
        return;
    }
    assert_int_equal(t->dim[0], turned ? WIDTH : OTHER);
    for (int i = 0; i < OTHER; i++)
        for (int j = 0; j < WIDTH; j++)
            assert_true(got[turned ? j * OTHER + i : i * WIDTH + j] == values[i * WIDTH + j]);
}

/* One tensor for each row of layer 11, and what makes the scheme known. */
static void read_all_rows(const wkv_name_scheme *scheme, const wkv_tensor *signs, size_t n_signs,
                          bool prefix)
{
    static char names[MOST][128];
    wkv_tensor t[MOST];
    char name[128];
    size_t n = 0;
    for (size_t i = 0; i < scheme->n_layer; i++, n++) {
        snprintf(names[n], sizeof names[n], "%s%s11.%s", prefix ? scheme->prefix : "",
                 scheme->blocks, scheme->layer[i].there);
        t[n] = there(names[n], scheme->layer[i].form);
        if (scheme->layer[i].form == WKV_NAME_STACKED)
            n--; /* its parts have rows of their own */
    }
    for (size_t i = 0; i < scheme->n_once; i++, n++) {
        const bool bare = strcmp(scheme->once[i].there, scheme->bare) == 0;
        snprintf(names[n], sizeof names[n], "%s%s", prefix && !bare ? scheme->prefix : "",
                 scheme->once[i].there);
        t[n] = there(names[n], scheme->once[i].form);
    }
    for (size_t i = 0; i < n_signs; i++)
        t[n++] = signs[i];
    t[n++] = tensor("nobody.knows.this", 1, 2, 0, 0);
    assert_true(n <= MOST);
    wkv_store *s = write_and_open(t, n);
    assert_string_equal(wkv_store_scheme(s), scheme->name);
    for (size_t i = 0; i < scheme->n_layer; i++) {
        snprintf(name, sizeof name, "blocks.11.%s", scheme->layer[i].here);
        if (scheme->layer[i].form != WKV_NAME_STACKED)
            must_hold(s, name, scheme->layer[i].form);
    }
    for (size_t i = 0; i < scheme->n_once; i++)
        must_hold(s, scheme->once[i].here, scheme->once[i].form);
    assert_non_null(wkv_store_find(s, "nobody.knows.this"));
    wkv_store_close(&s);
}

static void test_reading_transformers(void **state)
{
    const wkv_tensor with = tensor("rwkv.blocks.0.attention.key.weight", 2, WIDTH, WIDTH, 0);
    const wkv_tensor without = tensor("blocks.0.attention.key.weight", 2, WIDTH, WIDTH, 0);
    read_all_rows(&wkv_names_transformers, &with, 1, true);
    read_all_rows(&wkv_names_transformers, &without, 1, false);
}

static void test_reading_fla(void **state)
{
    const wkv_tensor with = tensor("model.layers.0.attn.w_lora.lora.0.weight", 2, 2, WIDTH, 0);
    const wkv_tensor without = tensor("layers.0.attn.w_lora.lora.0.weight", 2, 2, WIDTH, 0);
    read_all_rows(&wkv_names_fla, &with, 1, true);
    read_all_rows(&wkv_names_fla, &without, 1, false);
}

static void test_reading_web_rwkv(void **state)
{
    const wkv_tensor five[] = {tensor("blocks.0.att.time_first", 2, 2, 3, 0),
                               tensor("blocks.0.att.gate.weight", 2, WIDTH, WIDTH, 0),
                               tensor("blocks.0.att.ln_x.weight", 1, WIDTH, 0, 0)};
    const wkv_tensor six = tensor("blocks.0.att.time_mix_w1", 2, OTHER, WIDTH, 0);
    const wkv_tensor seven[] = {tensor("emb.weight", 2, 2, WIDTH, 0),
                                tensor("blocks.0.att.r_k", 2, 2, 3, 0),
                                tensor("blocks.0.att.g1", 2, OTHER, WIDTH, 0)};
    const wkv_tensor lora[] = {tensor("blocks.0.att.key.lora.0", 2, WIDTH, OTHER, 0),
                               tensor("blocks.0.att.key.lora.1", 2, WIDTH, OTHER, 0)};
    read_all_rows(&wkv_names_web5, five, 3, true);
    read_all_rows(&wkv_names_web6, &six, 1, true);
    read_all_rows(&wkv_names_web7, seven, 3, true);
    read_all_rows(&wkv_names_web_lora, lora, 2, true);
}

/* [head, key, value] or its transpose: only the type of the file tells. */
static void test_states_of_web_rwkv_are_turned(void **state)
{
    static const uint16_t half[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    wkv_tensor t = tensor("blocks.0.att.time_state", 3, 2, 2, 2);
    uint16_t got[8];
    t.dtype = WKV_DTYPE_F16;
    t.data = (const uint8_t *)half;
    wkv_store *s = write_and_open(&t, 1);
    wkv_tensor_copy(got, wkv_store_at(s, 0), WKV_DTYPE_F16);
    assert_int_equal(got[1], 2);
    assert_int_equal(got[6], 5);
    wkv_store_close(&s);
    t.dtype = WKV_DTYPE_BF16;
    s = write_and_open(&t, 1);
    assert_null(wkv_store_scheme(s));
    wkv_store_close(&s);
}

/* What RWKV-LM wrote itself is nobody else's, whatever it has in common with others. */
static void test_plain_names_are_left_alone(void **state)
{
    const wkv_tensor plain[] = {
        tensor("emb.weight", 2, 2, WIDTH, 0),
        tensor("blocks.0.att.r_k", 2, 2, 3, 0),
        tensor("blocks.0.att.w1", 2, WIDTH, OTHER, 0),
        tensor("blocks.0.att.a1", 2, WIDTH, WIDTH, 0),
        tensor("blocks.0.att.g1", 2, WIDTH, OTHER, 0),
        tensor("blocks.0.att.time_first", 1, 3, 0, 0),
        tensor("blocks.0.att.time_mix_k", 3, 1, 1, WIDTH),
        tensor("blocks.0.att.gate.weight", 2, WIDTH, WIDTH, 0),
        tensor("blocks.0.att.ln_x.weight", 1, WIDTH, 0, 0),
    };
    wkv_store *s = write_and_open(plain, 9);
    assert_null(wkv_store_scheme(s));
    assert_int_equal(wkv_store_find(s, "blocks.0.att.w1")->dim[0], WIDTH);
    wkv_store_close(&s);
}

static void test_a_wrapping_module_is_taken_off(void **state)
{
    const wkv_tensor wrapped[] = {tensor("model.emb.weight", 2, 2, WIDTH, 0),
                                  tensor("model.blocks.0.att.key.lora_A", 2, OTHER, WIDTH, 0)};
    wkv_store *s = write_and_open(wrapped, 2);
    assert_string_equal(wkv_store_scheme(s), "RWKV-PEFT");
    must_hold(s, "blocks.0.att.key.lora_A", WKV_NAME_SAME);
    assert_non_null(wkv_store_find(s, "emb.weight"));
    wkv_store_close(&s);
}

/* The six mixes of flash-linear-attention's first months, with a dimension of one or not. */
static void test_stacked_mixes_are_taken_apart(void **state)
{
    for (int ones = 0; ones < 2; ones++) {
        const wkv_tensor t[] = {tensor("model.layers.0.attn.w_lora.lora.0.weight", 2, 2, 4, 0),
                                ones ? tensor("model.layers.0.attn.x_x", 3, 6, 1, 4)
                                     : tensor("model.layers.0.attn.x_x", 2, 6, 4, 0)};
        wkv_store *s = write_and_open(t, 2);
        for (int i = 0; i < 6; i++) {
            char name[] = "blocks.0.att.x_?";
            float got[4];
            name[strlen(name) - 1] = "rwkvag"[i];
            const wkv_tensor *x = wkv_store_find(s, name);
            assert_non_null(x);
            assert_int_equal(x->ndim, 3);
            wkv_tensor_copy(got, x, WKV_DTYPE_F32);
            assert_memory_equal(got, values + 4 * i, sizeof got);
        }
        wkv_store_close(&s);
    }
}

static void test_what_cannot_be_taken_apart_is_refused(void **state)
{
    wkv_error err;
    wkv_store *s = NULL;
    const wkv_tensor t[] = {tensor("model.layers.0.attn.w_lora.lora.0.weight", 1, 4, 0, 0),
                            tensor("model.layers.0.attn.x_x", 1, 5, 0, 0)};
    wkv_store_out out = {.tensors = t, .n_tensors = 1, .dtype = WKV_DTYPE_COUNT};
    assert_int_equal(wkv_store_write(file, "safetensors", &out, &err), WKV_OK);
    assert_int_equal(wkv_store_open(&s, file, &err), WKV_E_SHAPE); /* no matrix */
    assert_non_null(strstr(err.text, "should have two dimensions"));
    out.tensors = t + 1;
    wkv_tensor both[] = {tensor("layers.0.attn.w_lora.lora.0.weight", 2, 2, 2, 0), t[1]};
    out.tensors = both;
    out.n_tensors = 2;
    assert_int_equal(wkv_store_write(file, "safetensors", &out, &err), WKV_OK);
    assert_int_equal(wkv_store_open(&s, file, &err), WKV_E_SHAPE);
    assert_non_null(strstr(err.text, "cannot be split in 6"));
    /* Two names there that are one here. */
    both[1] = tensor("model.layers.0.attn.w_lora.lora.0.weight", 2, 2, 2, 0);
    assert_int_equal(wkv_store_write(file, "safetensors", &out, &err), WKV_OK);
    assert_int_equal(wkv_store_open(&s, file, &err), WKV_E_FORMAT);
    assert_non_null(strstr(err.text, "two tensors are called 'blocks.0.att.w1'"));
}

/* Writing is reading backwards. */
static void write_all_rows(const wkv_name_scheme *scheme)
{
    static char names[MOST][128];
    wkv_tensor t[MOST];
    wkv_names_out out;
    wkv_error err;
    size_t n = 0;
    for (size_t i = 0; i < scheme->n_layer; i++) {
        if (scheme->layer[i].form == WKV_NAME_STACKED)
            continue;
        snprintf(names[n], sizeof names[n], "blocks.0.%s", scheme->layer[i].here);
        t[n] = there(names[n], scheme->layer[i].form);
        if (scheme->layer[i].form == WKV_NAME_VECTOR)
            t[n] = tensor(names[n], n % 2 == 0 ? 3 : 2, 1, n % 2 == 0 ? 1 : WIDTH, WIDTH);
        if (scheme->layer[i].form == WKV_NAME_ROW && n % 2 == 0)
            t[n] = tensor(names[n], 1, WIDTH, 0, 0);
        n++;
    }
    for (size_t i = 0; i < scheme->n_once; i++)
        t[n++] = there(scheme->once[i].here, scheme->once[i].form);
    const wkv_store_out what = {.tensors = t, .n_tensors = n, .dtype = WKV_DTYPE_COUNT};
    if (wkv_names_write(&out, scheme, &what, &err) != WKV_OK)
        fail_msg("%s", err.text);
    assert_int_equal(out.n_tensors, n);
    for (size_t i = 0; i < n; i++)
        if (t[i].ndim == 1 || t[i].dim[0] == 1)
            assert_int_equal(wkv_tensor_count(&out.tensors[i]), WIDTH);
    wkv_store *s = write_and_open(out.tensors, n);
    wkv_names_deinit(&out);
    assert_string_equal(wkv_store_scheme(s), scheme->name);
    for (size_t i = 0; i < n; i++) {
        float got[WIDTH * WIDTH], want[WIDTH * WIDTH];
        const wkv_tensor *back = wkv_store_find(s, t[i].name);
        assert_non_null(back);
        assert_int_equal(wkv_tensor_count(back), wkv_tensor_count(&t[i]));
        wkv_tensor_copy(got, back, WKV_DTYPE_F32);
        wkv_tensor_copy(want, &t[i], WKV_DTYPE_F32);
        assert_memory_equal(got, want, (size_t)wkv_tensor_count(&t[i]) * sizeof *got);
    }
    wkv_store_close(&s);
}

static void test_writing(void **state)
{
    wkv_names_out out;
    wkv_error err;
    write_all_rows(&wkv_names_transformers);
    write_all_rows(&wkv_names_fla);
    const wkv_tensor head = tensor("head.bias", 1, 2, 0, 0);
    const wkv_store_out what = {.tensors = &head, .n_tensors = 1, .dtype = WKV_DTYPE_COUNT};
    assert_int_equal(wkv_names_write(&out, &wkv_names_fla, &what, &err), WKV_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "head.bias"));
    wkv_names_deinit(&out);
}

/* Numbers of layers that are none. */
static void test_numbers(void **state)
{
    uint64_t n;
    assert_int_equal(wkv_names_number("0.x", &n), 1);
    assert_int_equal(wkv_names_number("123456.", &n), 6);
    assert_int_equal(n, 123456);
    assert_int_equal(wkv_names_number("1234567.", &n), 0);
    assert_int_equal(wkv_names_number("x", &n), 0);
    assert_int_equal(wkv_names_number("", &n), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading_transformers),
        cmocka_unit_test(test_reading_fla),
        cmocka_unit_test(test_reading_web_rwkv),
        cmocka_unit_test(test_states_of_web_rwkv_are_turned),
        cmocka_unit_test(test_plain_names_are_left_alone),
        cmocka_unit_test(test_a_wrapping_module_is_taken_off),
        cmocka_unit_test(test_stacked_mixes_are_taken_apart),
        cmocka_unit_test(test_what_cannot_be_taken_apart_is_refused),
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests_name("names", tests, set_up, tear_down);
}
