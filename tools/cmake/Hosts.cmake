# _prefork_worker.SUFFIX in hosts/: the bridge as an extension module, for environments whose python is not the one that prefork-worker
# embeds (python/bridge/host_main.cpp). One for the embedded version, which another installation of that version loads too, and one
# for each interpreter of PREFORK_HOST_PYTHONS.
set(PREFORK_HOST_PYTHONS "" CACHE STRING "more python executables that environments may have; a list")

# prefork_host(PROGRAM): one module; a second interpreter of the same version and build adds nothing.
function(prefork_host program)
  execute_process(COMMAND ${program} -c "import sys, sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX')); \
print(sysconfig.get_path('include', vars={'installed_base': sys.base_prefix, 'base': sys.base_prefix}))"
    RESULT_VARIABLE status OUTPUT_VARIABLE lines OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(REPLACE "\n" ";" lines "${lines}")
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "PREFORK_HOST_PYTHONS: ${program} does not run")
  endif()
  list(GET lines 0 suffix)
  list(GET lines 1 include)
  if(NOT EXISTS ${include}/Python.h)
    message(FATAL_ERROR "PREFORK_HOST_PYTHONS: no Python.h in ${include} for ${program}")
  endif()
  string(MAKE_C_IDENTIFIER "prefork-host${suffix}" name)
  if(TARGET ${name})
    return()
  endif()
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE prefork_worker)
  target_include_directories(${name} SYSTEM PRIVATE ${include})
  target_compile_definitions(${name} PRIVATE ${PREFORK_BRIDGE_DEFINITIONS})
  # Debian's python3-dbg has links to the headers beside a pyconfig.h of its own; gcc would follow the links and take the other one.
  target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fno-canonical-system-headers>)
  target_link_options(${name} PRIVATE -fno-lto)
  set_target_properties(${name} PROPERTIES PREFIX "" OUTPUT_NAME _prefork_worker SUFFIX ${suffix}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/hosts CXX_VISIBILITY_PRESET hidden)
  add_dependencies(executables ${name})
  install(TARGETS ${name} LIBRARY DESTINATION bin/hosts COMPONENT prefork)
endfunction()

set(sources python/bridge/host_main.cpp)
foreach(folder python/bridge python/bridge/wsgi python/bridge/asgi python/bridge/native)
  file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cpp)
  list(APPEND sources ${found})
endforeach()
list(REMOVE_ITEM sources ${CMAKE_SOURCE_DIR}/python/bridge/main.cpp ${CMAKE_SOURCE_DIR}/python/bridge/host_main.cpp)
foreach(program ${Python3_EXECUTABLE} ${PREFORK_HOST_PYTHONS})
  prefork_host(${program} ${sources})
endforeach()
