# cmake --install build/release --prefix DIR, and the same folder inside the wheel: both executables side by side, because the
# master starts the prefork-worker that lies beside it. The run path keeps the libpython that was linked to.
set_target_properties(prefork PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS prefork RUNTIME DESTINATION bin COMPONENT prefork)
if(TARGET prefork-worker)
  set_target_properties(prefork-worker PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS prefork-worker RUNTIME DESTINATION bin COMPONENT prefork)
endif()
