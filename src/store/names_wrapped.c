/* store/names_wrapped.c - RWKV-LM's names behind "model.", as trainers that wrap the model in
 * another module save them (RWKV-PEFT, whole or adapters alone). */
#include "store/names.h"

#include <string.h>

static bool is(const wkv_store *s)
{
    for (size_t i = 0; i < wkv_store_count(s); i++)
        if (strncmp(wkv_store_at(s, i)->name, "model.blocks.", 13) == 0)
            return true;
    return false;
}

const wkv_name_scheme wkv_names_wrapped = {
    .name = "RWKV-PEFT", .prefix = "model.", .blocks = "blocks.", .is = is};
