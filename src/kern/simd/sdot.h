/* kern/simd/sdot.h - the product of bytes for vi_neon.h where there is an instruction for it. */
WKV_INLINE int32x4_t dot_one(int32x4_t s, int32x4_t w, vx x)
{
    int8x16_t bytes = vreinterpretq_s8_s32(w);
    switch (x.group) { /* the instruction wants a constant, which the compiler sees late */
    case 0:
        return vdotq_laneq_s32(s, bytes, x.sixteen, 0);
    case 1:
        return vdotq_laneq_s32(s, bytes, x.sixteen, 1);
    case 2:
        return vdotq_laneq_s32(s, bytes, x.sixteen, 2);
    default:
        return vdotq_laneq_s32(s, bytes, x.sixteen, 3);
    }
}
