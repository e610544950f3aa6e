# Installs the libraries, headers and the package files for find_package(nmrsim).

include(CMakePackageConfigHelpers)

install(TARGETS nmrsim EXPORT nmrsim-targets)
install(DIRECTORY libnmrsim/include/nmrsim DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_BINARY_DIR}/include/nmrsim DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET inverse)
  install(TARGETS inverse EXPORT nmrsim-inverse-targets)
  install(DIRECTORY libinverse/include/nmrinverse DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT nmrsim-inverse-targets NAMESPACE nmrsim::
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/nmrsim)
endif()
install(EXPORT nmrsim-targets NAMESPACE nmrsim:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/nmrsim)

configure_package_config_file(cmake/nmrsimConfig.cmake.in nmrsimConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/nmrsim)
write_basic_package_version_file(nmrsimConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/nmrsimConfig.cmake
              ${PROJECT_BINARY_DIR}/nmrsimConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/nmrsim)
