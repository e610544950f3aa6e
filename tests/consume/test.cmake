# What ships is tested as it ships: installed, moved, and used by a project of its own.

add_test(NAME consume
         COMMAND ${CMAKE_COMMAND} -D BUILD=${PROJECT_BINARY_DIR}
                 -D PROJECT=${CMAKE_CURRENT_SOURCE_DIR}/consume/project
                 -D WORK=${CMAKE_CURRENT_BINARY_DIR}/consume -D GENERATOR=${CMAKE_GENERATOR}
                 -D INVERSE=$<TARGET_EXISTS:inverse> -D PROGRAMS=$<TARGET_EXISTS:nmr-simulate>
                 "-D LIBRARY_FLAGS=${CMAKE_CXX_FLAGS}" -D CONFIG=$<CONFIG>
                 -P ${CMAKE_CURRENT_SOURCE_DIR}/consume/consume.cmake)
set_tests_properties(consume PROPERTIES LABELS consume TIMEOUT 280)
