/* arch/audit.c - a file held against a version's table: what it lacks and what it has too
 * much, all of it, where wkv_config_infer ends at the first thing missing. */
#include "arch/arch.h"
#include "base/mem.h"

typedef struct audit {
    const wkv_config *cfg;
    const wkv_store *file;
    bool *known; /* of every tensor */
    void (*found)(void *user, wkv_audit_finding what, const char *name);
    void *user;
} audit;

static void look_for(const audit *a, const wkv_param *p, int layer)
{
    char name[WKV_NAME_MAX];
    wkv_param_name(name, p, layer);
    const wkv_tensor *t = wkv_store_find(a->file, name);
    if (t != NULL)
        a->known[t - wkv_store_at(a->file, 0)] = true;
    if (!wkv_param_exists(p, layer)) {
        if (t != NULL)
            a->found(a->user, WKV_AUDIT_UNUSED, name);
    } else if (t == NULL && wkv_param_needed(a->cfg, p, layer)) {
        a->found(a->user, WKV_AUDIT_MISSING, name);
    }
}

wkv_status wkv_audit(const wkv_arch *arch, const wkv_store *file,
                     void (*found)(void *user, wkv_audit_finding what, const char *name),
                     void *user, wkv_error *err)
{
    const wkv_config cfg = {.arch = arch,
                            .layers = wkv_arch_layers(file),
                            .token_shift = wkv_config_token_shift(arch, file)};
    const size_t n = wkv_store_count(file);
    audit a = {&cfg, file, wkv_calloc(n, sizeof(bool)), found, user};
    if (a.known == NULL)
        WKV_FAIL(err, WKV_E_MEMORY, "out of memory for a list of %zu tensors", n);
    for (int i = 0; i < wkv_params_count(&cfg); i++) {
        int layer;
        const wkv_param *p = wkv_params_at(&cfg, i, &layer);
        look_for(&a, p, layer);
    }
    for (size_t i = 0; i < n; i++)
        if (!a.known[i])
            found(user, WKV_AUDIT_UNKNOWN, wkv_store_at(file, i)->name);
    wkv_free(a.known);
    return WKV_OK;
}
