# What the library stands on.  docs/dependencies.md says why each was chosen and what
# happens without it.
find_package(Threads REQUIRED)
find_package(OpenMP COMPONENTS C)
find_package(PkgConfig REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.12)

set(WKV_HAVE_ONEDNN OFF)
if(NOT WKV_ONEDNN STREQUAL "OFF" AND NOT WKV_DOUBLE)
  list(PREPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
  find_package(DNNL QUIET)
  if(DNNL_FOUND AND OpenMP_C_FOUND) # without OpenMP its own team could not be held to one thread
    set(WKV_HAVE_ONEDNN ON)
  elseif(WKV_ONEDNN STREQUAL "ON")
    message(FATAL_ERROR "WKV_ONEDNN=ON, but oneDNN was not found (Debian: libdnnl-dev)")
  endif()
endif()

# The link line of the library, for whoever links its objects.
set(WKV_LIBS PkgConfig::JANSSON Threads::Threads m)
if(OpenMP_C_FOUND)
  list(APPEND WKV_LIBS OpenMP::OpenMP_C)
endif()
if(WKV_HAVE_ONEDNN)
  list(APPEND WKV_LIBS DNNL::dnnl)
endif()
# Only the tests need cmocka.
set(WKV_HAVE_CMOCKA OFF)
if(WKV_TESTS STREQUAL "ON")
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
elseif(NOT WKV_TESTS STREQUAL "OFF")
  pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)
endif()
if(CMOCKA_FOUND AND NOT WKV_TESTS STREQUAL "OFF")
  set(WKV_HAVE_CMOCKA ON)
endif()
message(STATUS "oneDNN: ${WKV_HAVE_ONEDNN}, OpenMP: ${OpenMP_C_FOUND}, tests: ${WKV_HAVE_CMOCKA}")
