# What every target of ours is compiled with; foreign sources (llhttp) are not.
add_library(prefork_options INTERFACE)
target_include_directories(prefork_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_options(prefork_options INTERFACE -Wall -Wextra -Wpedantic)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees an overlap in every "text" + std::string (https://gcc.gnu.org/PR105651).
  target_compile_options(prefork_options INTERFACE -Wno-restrict)
endif()
target_compile_definitions(prefork_options INTERFACE
  _GNU_SOURCE
  $<$<BOOL:${PREFORK_TINY}>:PREFORK_TINY>
  $<$<BOOL:${PREFORK_FAULTS}>:PREFORK_FAULTS>
  $<$<BOOL:${PREFORK_POSIX_SHM}>:PREFORK_POSIX_SHM>
  $<$<BOOL:${PREFORK_PIPE_BELL}>:PREFORK_PIPE_BELL>
  $<$<CONFIG:Debug>:PREFORK_DEBUG>)
if(PREFORK_SANITIZE)
  target_compile_options(prefork_options INTERFACE -fsanitize=${PREFORK_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(prefork_options INTERFACE -fsanitize=${PREFORK_SANITIZE})
endif()
if(PREFORK_FUZZ)
  # Every layer reports the branches that it takes; the fuzz targets alone link libFuzzer's main.
  target_compile_options(prefork_options INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(prefork_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(PREFORK_COVERAGE)
  target_compile_options(prefork_options INTERFACE --coverage)
  target_link_options(prefork_options INTERFACE --coverage)
endif()
if(NOT CMAKE_BUILD_TYPE STREQUAL "Release" OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU" OR PREFORK_SANITIZE)
  set(PREFORK_LTO OFF)
endif()
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
file(WRITE ${CMAKE_BINARY_DIR}/generated/version.hpp.new
  "#pragma once\n#define PREFORK_VERSION \"${PROJECT_VERSION}\"\n")
file(COPY_FILE ${CMAKE_BINARY_DIR}/generated/version.hpp.new ${CMAKE_BINARY_DIR}/generated/version.hpp ONLY_IF_DIFFERENT)
