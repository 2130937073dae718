/* store/content.c - see content.h.  The names are those of RWKV-PEFT and RWKV-LM-LoRA:
 * blocks.0.att.key.lora_A beside or without blocks.0.att.key.weight. */
#include "store/content.h"

#include <stdio.h>
#include <string.h>

#include "store/canon.h"
#include "store/names.h"

enum { MAX_NAME = 512 };

/* Names that end so are no tensors of a model. */
typedef struct part {
    const char *end;
    wkv_content_id id;
    const char *mate; /* of a pair of factors: what the other ends in */
} part;

static const part parts[] = {
    {".init_lora_A", WKV_CONTENT_PISSA_INIT, ".init_lora_B"},
    {".init_lora_B", WKV_CONTENT_PISSA_INIT, ".init_lora_A"},
    {".lora_A", WKV_CONTENT_LORA, ".lora_B"},
    {".lora_B", WKV_CONTENT_LORA, ".lora_A"},
    {".lora_A.weight", WKV_CONTENT_LORA, ".lora_B.weight"},
    {".lora_B.weight", WKV_CONTENT_LORA, ".lora_A.weight"},
    {".bone", WKV_CONTENT_BONE, NULL},
    {".disha", WKV_CONTENT_BONE, NULL},
    {".att.time_state", WKV_CONTENT_STATE, NULL},
};

static const part *part_of(const char *name)
{
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (wkv_ends_with(name, parts[i].end))
            return &parts[i];
    return NULL;
}

/* The tensor whose name ends in `end` where t's ends in p->end. */
static const wkv_tensor *mate_of(const wkv_store *s, const wkv_tensor *t, const part *p)
{
    char name[MAX_NAME];
    const size_t stem = strlen(t->name) - strlen(p->end);
    if (p->mate == NULL || stem + strlen(p->mate) >= sizeof name)
        return NULL;
    memcpy(name, t->name, stem);
    strcpy(name + stem, p->mate);
    return wkv_store_find(s, name);
}

/* The first of two factors stands for both. */
static void note_factor(wkv_content *k, const wkv_store *s, const wkv_tensor *t, const part *p)
{
    const bool first = strstr(p->end, "lora_A") != NULL;
    const wkv_tensor *mate = mate_of(s, t, p);
    if (mate == NULL || mate->ndim != 2 || t->ndim != 2) {
        k->complete = false;
        k->matrices++;
    } else if (first) {
        const int64_t rank = t->dim[0];
        k->matrices++;
        k->complete = k->complete && mate->dim[1] == rank;
        k->rank_min = k->rank_min == 0 || rank < k->rank_min ? rank : k->rank_min;
        k->rank_max = rank > k->rank_max ? rank : k->rank_max;
    }
}

static void note_layer(wkv_content *k, const char *name)
{
    const char *at = strstr(name, "blocks.");
    uint64_t layer;
    if (at != NULL && wkv_names_number(at + 7, &layer) > 0 && (int)layer >= k->layers)
        k->layers = (int)layer + 1;
}

static bool meta_is(const wkv_store *s, const char *key, const char *value)
{
    const char *found = wkv_store_meta(s, key);
    return found != NULL && (value == NULL || strcmp(found, value) == 0);
}

void wkv_store_content(wkv_content *k, const wkv_store *s)
{
    *k = (wkv_content){.complete = true};
    for (size_t i = 0; i < wkv_store_count(s); i++) {
        const wkv_tensor *t = wkv_store_at(s, i);
        const part *p = part_of(t->name);
        note_layer(k, t->name);
        if (p == NULL) {
            k->whole++;
            continue;
        }
        /* Factors beside their own beginnings are an adapter, whose matrices count once. */
        if (k->id == WKV_CONTENT_PISSA_INIT && p->id == WKV_CONTENT_LORA) {
            k->matrices = 0;
            k->rank_min = k->rank_max = 0;
        }
        if (k->id == WKV_CONTENT_TENSORS || p->id == WKV_CONTENT_LORA)
            k->id = p->id;
        if (k->id != p->id)
            continue;
        if (p->mate != NULL)
            note_factor(k, s, t, p);
        else
            k->matrices++;
    }
    if (meta_is(s, "wkv.kind", "state"))
        k->id = WKV_CONTENT_SESSION;
    else if (meta_is(s, "train.checkpoint", NULL))
        k->id = WKV_CONTENT_CHECKPOINT;
    else if (wkv_store_find(s, "emb.weight") != NULL &&
             (k->id == WKV_CONTENT_TENSORS || k->id == WKV_CONTENT_STATE) && k->layers > 0)
        k->id = WKV_CONTENT_MODEL;
}

const char *wkv_content_name(wkv_content_id id)
{
    static const char *const names[] = {
        [WKV_CONTENT_TENSORS] = "tensors",          [WKV_CONTENT_MODEL] = "model",
        [WKV_CONTENT_CHECKPOINT] = "checkpoint",    [WKV_CONTENT_SESSION] = "session state",
        [WKV_CONTENT_STATE] = "initial state",      [WKV_CONTENT_LORA] = "LoRA adapter",
        [WKV_CONTENT_PISSA_INIT] = "PiSSA factors", [WKV_CONTENT_BONE] = "Bone adapter",
    };
    return names[id];
}

/* <stem>.lora_A or <stem>.lora_A.weight */
static const wkv_tensor *find_factor(const wkv_store *s, const char *stem, int n, const char *which)
{
    char full[MAX_NAME];
    snprintf(full, sizeof full, "%.*s.%s", n, stem, which);
    const wkv_tensor *t = wkv_store_find(s, full);
    if (t != NULL)
        return t;
    snprintf(full, sizeof full, "%.*s.%s.weight", n, stem, which);
    return wkv_store_find(s, full);
}

bool wkv_content_factors(const wkv_store *s, const char *name, bool init, const wkv_tensor **a,
                         const wkv_tensor **b)
{
    static const char weight[] = ".weight";
    *a = *b = NULL;
    if (!wkv_ends_with(name, weight) || strlen(name) + 16 > MAX_NAME)
        return false;
    const int stem = (int)(strlen(name) - strlen(weight));
    *a = find_factor(s, name, stem, init ? "init_lora_A" : "lora_A");
    *b = find_factor(s, name, stem, init ? "init_lora_B" : "lora_B");
    return *a != NULL && *b != NULL;
}
