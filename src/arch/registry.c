/* arch/registry.c - the list of model versions. */
#include <string.h>

#include <wkv/model.h>

#include "arch/arch.h"

static const wkv_arch *const all[] = {
#define ARCH(id, name) &wkv_arch_##id,
#include "arch/arch.def"
#undef ARCH
};

const wkv_arch *wkv_arch_at(size_t i)
{
    return i < sizeof all / sizeof all[0] ? all[i] : NULL;
}

const wkv_arch *wkv_arch_find(const char *name)
{
    for (size_t i = 0; wkv_arch_at(i) != NULL; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

const char *wkv_arch_names(void)
{
    static const char names[] =
#define ARCH(id, name) "|" name
#include "arch/arch.def"
#undef ARCH
        ;
    return names + 1; /* past the first bar */
}
