# What ships is tested as it ships: installed, moved, and used by a project of its own.

find_package(PkgConfig)
add_test(NAME consume
         COMMAND ${CMAKE_COMMAND} -D BUILD=${PROJECT_BINARY_DIR}
                 -D PROJECT=${CMAKE_CURRENT_SOURCE_DIR}/consume/project
                 -D WORK=${CMAKE_CURRENT_BINARY_DIR}/consume -D GENERATOR=${CMAKE_GENERATOR}
                 -D FIT=$<TARGET_EXISTS:nmrsim_fit> -D README=${PROJECT_SOURCE_DIR}/README.md
                 -D INVERSE=$<TARGET_EXISTS:inverse> -D PROGRAMS=$<TARGET_EXISTS:nmr-simulate>
                 -D CC=${CMAKE_C_COMPILER} -D CXX=${CMAKE_CXX_COMPILER}
                 -D PKG_CONFIG=${PKG_CONFIG_EXECUTABLE}
                 "-D LIBRARY_FLAGS=${CMAKE_CXX_FLAGS}" -D CONFIG=$<CONFIG>
                 -P ${CMAKE_CURRENT_SOURCE_DIR}/consume/consume.cmake)
set_tests_properties(consume PROPERTIES LABELS consume TIMEOUT 280
                     ENVIRONMENT "${NMRSIM_BESIDE_OTHERS}")

# And as part of another project's build, shared. Compiles libnmrsim anew, unoptimised.
add_test(NAME embed
         COMMAND ${CMAKE_CTEST_COMMAND}
                 --build-and-test ${CMAKE_CURRENT_SOURCE_DIR}/consume/embedding
                                  ${CMAKE_CURRENT_BINARY_DIR}/embed
                 --build-noclean --build-generator ${CMAKE_GENERATOR} --build-makeprogram ${CMAKE_MAKE_PROGRAM}
                 --build-options -DFETCHCONTENT_SOURCE_DIR_NMRSIM=${PROJECT_SOURCE_DIR}
                                 -DNMRSIM_TOGETHER=${NMRSIM_TOGETHER}
                                 -DCMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}
                                 -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER}
                                 -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}
                                 "-DCMAKE_CXX_FLAGS=${CMAKE_CXX_FLAGS}"
                 --test-command echo)
set_tests_properties(embed PROPERTIES LABELS "consume;slow;builds" TIMEOUT 1800
                     PASS_REGULAR_EXPRESSION "856 points.*8 curves")
