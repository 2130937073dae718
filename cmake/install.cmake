# `make install`: both libraries, the headers, pkg-config and CMake files; what a program
# installs stands beside it.  The shared and
# the static library are exported apart, because only the static one makes the programs
# that link it find what it stands on.
include(CMakePackageConfigHelpers)
set(WKV_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/wkv)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/wkv DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
foreach(kind shared static)
  install(TARGETS wkv_${kind} EXPORT wkv-${kind}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT wkv-${kind} NAMESPACE wkv:: DESTINATION ${WKV_CMAKE_DIR})
endforeach()

configure_package_config_file(cmake/wkvConfig.cmake.in ${PROJECT_BINARY_DIR}/wkvConfig.cmake
  INSTALL_DESTINATION ${WKV_CMAKE_DIR} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/wkvConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/wkvConfig.cmake ${PROJECT_BINARY_DIR}/wkvConfigVersion.cmake
  cmake/FindDNNL.cmake DESTINATION ${WKV_CMAKE_DIR})

set(WKV_PC_REQUIRES_BPE)
if(WKV_HAVE_PCRE2)
  string(APPEND WKV_PC_REQUIRES_BPE ", libpcre2-8 >= 10.32")
endif()
if(WKV_HAVE_UTF8PROC)
  string(APPEND WKV_PC_REQUIRES_BPE ", libutf8proc >= 2.5")
endif()
# pkg-config reads "Libs.private" for a static link only.
set(WKV_PC_LIBS_PRIVATE "-lm ${CMAKE_THREAD_LIBS_INIT}")
if(WKV_HAVE_ONEDNN)
  string(APPEND WKV_PC_LIBS_PRIVATE " ${OpenMP_C_FLAGS} -ldnnl")
endif()
# The prefix is known only when installing, so the file finds it from where it lies.
file(RELATIVE_PATH WKV_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/wkv.pc.in ${PROJECT_BINARY_DIR}/wkv.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/wkv.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
