/* kern/simd/vi_x86.h - the activations of a product of bytes as x86 wants them: the four of a group
 * in every lane, signed.  vi is defined before. */
#ifndef WKV_KERN_VI_X86_H
#define WKV_KERN_VI_X86_H

typedef vi vx;
enum { VX_BYTES = 4 };

WKV_INLINE vx vx_of(const int8_t *x, int group)
{
    int32_t four;
    memcpy(&four, x + 4 * group, sizeof four);
    return vi_set1(four);
}

#endif
