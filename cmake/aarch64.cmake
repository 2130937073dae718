# The ARM build on another machine: Debian's cross compiler, and the emulator that runs what
# it made.  Libraries for ARM come from where Debian's multiarch puts them; without jansson
# there (and that is the usual case) the kernels are built and checked alone.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu)
if(NOT DEFINED ENV{PKG_CONFIG_LIBDIR}) # the host's own libraries must not be found
  set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig)
endif()

# A program runs as if on a processor with all that is known; tests name lesser ones.
set(WKV_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR ${WKV_EMULATOR} -cpu max)
