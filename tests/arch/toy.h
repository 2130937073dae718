/* tests/arch/toy.h - a model version that exists in the tests alone. */
#ifndef WKV_TESTS_ARCH_TOY_H
#define WKV_TESTS_ARCH_TOY_H

#include "arch/arch.h"

extern const wkv_arch toy_arch;

#endif
