# cmake --build BUILD --target package: a Debian package of all that installs. The preset `package`
# configures for it: shared libraries, prefix /usr.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME nmrsim)
set(CPACK_PACKAGE_VENDOR nmrsim)
set(CPACK_PACKAGE_CONTACT "The nmrsim developers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Spin echoes of ensembles that interact through the electrons, and the interactions read back out
of measured ones with their uncertainty: programs, trained models, C++ libraries and a C interface.")
# What the programs are linked with comes from dpkg-shlibdeps; the libraries of this package are its own.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/libnmrsim)
if(TARGET nmrsim_fit)
  list(APPEND CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/libinverse)
endif()
if(TARGET inverse)
  # LibTorch is content with any BLAS; with the reference one a fit takes 30 times as long.
  set(CPACK_DEBIAN_PACKAGE_DEPENDS libopenblas0-openmp)
endif()
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "gnuplot-nox | gnuplot, libeigen3-dev, libfmt-dev")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "g++, cmake, pkg-config, libtorch-dev")

install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
# As they lie in the repository, so that their links hold.
install(FILES README.md CHANGELOG.md CONTRIBUTING.md CITATION.cff DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR}
        FILES_MATCHING PATTERN "*.md" PATTERN "*.svg" PATTERN site EXCLUDE)
file(GLOB cards CONFIGURE_DEPENDS libinverse/models/*.md)
install(FILES ${cards} DESTINATION ${CMAKE_INSTALL_DOCDIR}/libinverse/models)

include(CPack)
