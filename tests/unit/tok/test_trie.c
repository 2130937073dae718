/* The trie of a vocabulary: whatever its shape, it finds every entry and takes few places for
 * each of its nodes. */
#include "test.h"

#include "base/rng.h"
#include "tok/trie.h"

enum { PLACES = 4 /* at most, a node */ };

static void build(wkv_trie *t, const wkv_trie_entry *entries, size_t n)
{
    int32_t twin[2];
    assert_int_equal(wkv_trie_init(t, entries, n, twin), WKV_OK);
    for (size_t i = 0; i < n; i++) {
        size_t len;
        assert_int_equal(wkv_trie_match(t, entries[i].bytes, entries[i].len, &len), entries[i].id);
        assert_int_equal(len, entries[i].len);
    }
}

/* One long token of n bytes, the i-th of which is of(i). */
static void check_chain(uint8_t (*of)(size_t i))
{
    enum { N = 20000 };
    static uint8_t bytes[N];
    for (size_t i = 0; i < N; i++)
        bytes[i] = of(i);
    wkv_trie t;
    build(&t, &(wkv_trie_entry){bytes, N, 7}, 1);
    if (t.size > (size_t)PLACES * N)
        fail_msg("a token of %d bytes takes %zu places", N, t.size);
    wkv_trie_deinit(&t);
}

static uint8_t same(size_t i)
{
    (void)i;
    return 'a';
}

static uint8_t in_turn(size_t i)
{
    return i % 2 == 0 ? 'a' : 'b';
}

static uint8_t ends(size_t i)
{
    return i % 2 == 0 ? 0 : 255;
}

static uint8_t mixed(size_t i)
{
    return (uint8_t)((i * 2654435761u) >> 13);
}

static void long_tokens_take_little(void **state)
{
    check_chain(same);
    check_chain(in_turn);
    check_chain(ends);
    check_chain(mixed);
}

/* All words of a tree of DEPTH letters with two ways at each, drawn by chance. */
static void forks_take_little(void **state)
{
    enum { DEPTH = 12, N = 1 << DEPTH };
    static uint8_t bytes[N][DEPTH];
    static wkv_trie_entry entries[N];
    wkv_rng rng;
    wkv_rng_seed(&rng, 5);
    for (int depth = 0; depth < DEPTH; depth++) {
        const int run = N >> (depth + 1); /* words in a row that go the same way */
        for (int i = 0; i < N; i += 2 * run) {
            const uint8_t letter = (uint8_t)wkv_rng_u64(&rng);
            const uint8_t other = letter ^ (uint8_t)(1 + wkv_rng_u64(&rng) % 255);
            for (int j = 0; j < 2 * run; j++)
                bytes[i + j][depth] = j < run ? letter : other;
        }
    }
    for (int i = 0; i < N; i++)
        entries[i] = (wkv_trie_entry){bytes[i], DEPTH, i};
    wkv_trie t;
    build(&t, entries, N);
    assert_true(t.size < (size_t)PLACES * 2 * N);
    wkv_trie_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_tokens_take_little),
        cmocka_unit_test(forks_take_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
