/* dev/cpu/cpu.c - opening the processor as a device. */
#include "dev/cpu/cpu.h"

#include "base/mem.h"
#include "os/os.h"
#include "os/team.h"

wkv_status wkv_dev_open_cpu_level(wkv_dev **out, int threads, wkv_cpu_level level, wkv_error *err)
{
    *out = NULL;
    if (threads < 0 || threads > 4096)
        WKV_FAIL(err, WKV_E_ARGUMENT, "threads: expected 0 (all) to 4096, found %d", threads);
    if (threads == 0)
        threads = wkv_cpu_count();
    wkv_team *team;
    WKV_TRY(wkv_team_open(&team, threads, err));
    wkv_dev *d = wkv_malloc(sizeof *d);
    if (d == NULL) {
        wkv_team_close(&team);
        WKV_FAIL(err, WKV_E_MEMORY, "cpu device: out of memory");
    }
    *d = (wkv_dev){
        .name = "cpu",
        .threads = threads,
        .team = team,
        .kern = wkv_kern_for(level),
#define OP(name, args, call) .name = wkv_cpu_##name,
#include "dev/ops.def"
#undef OP
        .sumsq = wkv_cpu_sumsq,
        .packed_size = wkv_cpu_packed_size,
        .packed_units = wkv_cpu_packed_units,
        .ready = wkv_prefer_large_pages,
        .pack = wkv_cpu_pack,
    };
    *out = d;
    return WKV_OK;
}

wkv_status wkv_dev_open_cpu(wkv_dev **out, int threads, wkv_error *err)
{
    return wkv_dev_open_cpu_level(out, threads, wkv_cpu_detect(), err);
}

void wkv_dev_close(wkv_dev **d)
{
    if (*d != NULL)
        wkv_team_close(&(*d)->team);
    wkv_free(*d);
    *d = NULL;
}
