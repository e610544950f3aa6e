# Installs the libraries, headers and the package files for find_package(nmrsim) and pkg-config.

include(CMakePackageConfigHelpers)
set(config_folder ${CMAKE_INSTALL_LIBDIR}/cmake/nmrsim)

install(TARGETS nmrsim EXPORT nmrsim-targets)
install(DIRECTORY libnmrsim/include/nmrsim DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES libnmrsim/include/nmrsim_c.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_BINARY_DIR}/include/nmrsim DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY libnmrsim/experiments DESTINATION ${CMAKE_INSTALL_DATADIR}/nmrsim)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DATADIR}/nmrsim
        PATTERN CMakeLists.txt EXCLUDE)
if(TARGET nmrsim_fit)
  install(TARGETS nmrsim_fit EXPORT nmrsim-targets)
  install(DIRECTORY libinverse/include/nmrinverse DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(FILES libinverse/include/nmrsim_fit.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endif()
if(TARGET inverse)
  install(TARGETS inverse EXPORT nmrsim-inverse-targets)
  install(EXPORT nmrsim-inverse-targets NAMESPACE nmrsim:: DESTINATION ${config_folder})
endif()
install(EXPORT nmrsim-targets NAMESPACE nmrsim:: DESTINATION ${config_folder})

configure_package_config_file(cmake/nmrsimConfig.cmake.in nmrsimConfig.cmake
                              INSTALL_DESTINATION ${config_folder})
write_basic_package_version_file(nmrsimConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/nmrsimConfig.cmake
              ${PROJECT_BINARY_DIR}/nmrsimConfigVersion.cmake
              cmake/NmrsimTorch.cmake
        DESTINATION ${config_folder})

# nmrsim.pc and nmrsim-fit.pc find their prefix from where they lie. A static library brings no list of what it needs,
# so nmrsim.pc names it.
set(pc_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
set(pc_libraries "-L\${libdir} -lnmrsim")
if(NOT BUILD_SHARED_LIBS)
  string(APPEND pc_libraries " ${nmrsim_static_libraries}")
endif()
if(NMRSIM_SANITIZE)
  string(APPEND pc_libraries " -fsanitize=${NMRSIM_SANITIZE}")
endif()
set(pc_name nmrsim)
set(pc_requires eigen3)
configure_file(cmake/nmrsim.pc.in nmrsim.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/nmrsim.pc DESTINATION ${pc_folder})
if(TARGET nmrsim_fit)
  set(pc_name nmrsim-fit)
  set(pc_requires "nmrsim = ${PROJECT_VERSION}")
  set(pc_libraries "-L\${libdir} -lnmrfit")
  configure_file(cmake/nmrsim.pc.in nmrsim-fit.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/nmrsim-fit.pc DESTINATION ${pc_folder})
endif()
