/* Runs a fuzz target without libFuzzer: over every file given (folders are walked), and
 * over a fixed number of damaged copies of each, so that the seeds are a test of their
 * own wherever the project is built. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DAMAGED = 200, MOST = 1 << 24 };

static unsigned long runs;

static void run(const uint8_t *data, size_t size)
{
    /* An exact copy on the heap, so that reading one byte too many is seen. */
    uint8_t *copy = calloc(size > 0 ? size : 1, 1);
    if (copy == NULL)
        exit(1);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    runs++;
}

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    return *x ^= *x << 17;
}

/* Cut short, one bit flipped, or a few bytes replaced. */
static void run_damaged(uint8_t *data, size_t size)
{
    uint64_t x = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < DAMAGED && size > 0; i++) {
        size_t at = next_random(&x) % size;
        uint8_t old = data[at];
        if (i % 4 == 0) {
            run(data, at);
            continue;
        }
        uint8_t flipped = (uint8_t)(old ^ (1u << (i / 4 % 8)));
        data[at] = i % 4 == 1 ? (uint8_t)next_random(&x) : flipped;
        run(data, size);
        data[at] = old;
    }
}

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(MOST);
    if (f == NULL || data == NULL) {
        perror(path);
        exit(1);
    }
    size_t size = fread(data, 1, MOST, f);
    fclose(f);
    run(data, size);
    run_damaged(data, size);
    free(data);
}

static void run_path(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        run_file(path);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char child[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        run_path(child);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    run((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    printf("%lu inputs\n", runs);
    return 0;
}
