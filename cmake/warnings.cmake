# Flags that every C file of the project is compiled with.
# No -ffast-math anywhere: results must not depend on what the compiler dares.
add_library(wkv_flags INTERFACE)
target_compile_options(wkv_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
  -Wvla -ffp-contract=off $<$<BOOL:${WKV_WERROR}>:-Werror>)
target_compile_definitions(wkv_flags INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE _GNU_SOURCE
  $<$<BOOL:${WKV_DOUBLE}>:WKV_DOUBLE>)

if(WKV_SANITIZE)
  target_compile_options(wkv_flags INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(wkv_flags INTERFACE -fsanitize=address,undefined)
endif()

if(WKV_FUZZ) # coverage feedback in every object, the fuzzer's main only in the targets
  target_compile_options(wkv_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(wkv_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
