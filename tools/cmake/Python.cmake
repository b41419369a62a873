# prefork_bridge and the prefork-worker executable for the chosen interpreter.
if(EXISTS ${CMAKE_SOURCE_DIR}/python/bridge/main.cpp)
  if(PREFORK_PYTHON)
    set(Python3_EXECUTABLE ${PREFORK_PYTHON})
  endif()
  find_package(Python3 REQUIRED COMPONENTS Interpreter Development.Embed)
  prefork_layer(prefork_bridge DIRECTORIES python/bridge python/bridge/wsgi python/bridge/asgi python/bridge/native
    EXCLUDE python/bridge/main.cpp LINK prefork_worker Python3::Python)
  add_executable(prefork-worker python/bridge/main.cpp)
  target_link_libraries(prefork-worker PRIVATE prefork_bridge)
endif()
