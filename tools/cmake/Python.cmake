# prefork_bridge and prefork-worker, for the interpreter that the worker embeds; its path lies in python3.txt of the build folder.
include(ChoosePython)

if(SKBUILD AND NOT PREFORK_PYTHON)
  set(PREFORK_PYTHON ${Python3_EXECUTABLE})  # a wheel is for the interpreter that pip runs on
endif()
prefork_choose_python(PREFORK_PYTHON_FOUND)
list(GET PREFORK_PYTHON_FOUND 0 Python3_EXECUTABLE)
list(GET PREFORK_PYTHON_FOUND 1 PREFORK_PYTHON_VERSION)
list(GET PREFORK_PYTHON_FOUND 2 Python3_INCLUDE_DIR)
list(GET PREFORK_PYTHON_FOUND 3 Python3_LIBRARY)
message(STATUS "python: embedding ${PREFORK_PYTHON_VERSION} of ${Python3_EXECUTABLE}")
file(WRITE ${CMAKE_BINARY_DIR}/python3.txt "${Python3_EXECUTABLE}\n")
find_package(Python3 ${PREFORK_PYTHON_VERSION} REQUIRED COMPONENTS Interpreter Development.Embed)

file(GLOB PREFORK_BRIDGE_MAIN CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/python/bridge/main.cpp)
if(PREFORK_BRIDGE_MAIN)
  prefork_layer(prefork_bridge DIRECTORIES python/bridge python/bridge/wsgi python/bridge/asgi python/bridge/native
    EXCLUDE python/bridge/main.cpp python/bridge/host_main.cpp LINK prefork_worker Python3::Python)
  set(PREFORK_BRIDGE_DEFINITIONS PREFORK_PYTHON_EXECUTABLE="${Python3_EXECUTABLE}" PREFORK_SOURCE_FOLDER="${CMAKE_SOURCE_DIR}")
  target_compile_definitions(prefork_bridge PRIVATE ${PREFORK_BRIDGE_DEFINITIONS})
  prefork_executable(prefork-worker python/bridge/main.cpp prefork_bridge)
  # CMake makes no run path for a library named libpython3.11.so.1.0; the loader would take another installation's of the same version.
  get_filename_component(PREFORK_PYTHON_LIBRARY_FOLDER ${Python3_LIBRARY} DIRECTORY)
  set_target_properties(prefork-worker PROPERTIES
    BUILD_RPATH ${PREFORK_PYTHON_LIBRARY_FOLDER} INSTALL_RPATH ${PREFORK_PYTHON_LIBRARY_FOLDER})
  # Extension modules find the interpreter's symbols in the executable when libpython is static.
  set_target_properties(prefork-worker PROPERTIES ENABLE_EXPORTS ON)
  if(Python3_LIBRARY MATCHES "\\.a$")
    target_link_libraries(prefork-worker PRIVATE "-Wl,--whole-archive,${Python3_LIBRARY},--no-whole-archive" ${CMAKE_DL_LIBS} m util)
  endif()
  # The master names the interpreter; without an environment to serve it is the embedded one.
  set_property(SOURCE ${CMAKE_SOURCE_DIR}/master/config_file.cpp APPEND PROPERTY COMPILE_DEFINITIONS PREFORK_PYTHON_EXECUTABLE="${Python3_EXECUTABLE}")
  include(Hosts)
endif()
