# Installs BUILD under WORK, moves the prefix, and there configures, builds and runs PROJECT.

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output
                  ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/moved)

run(${CMAKE_COMMAND} -S ${PROJECT} -B ${WORK}/build -G ${GENERATOR} -DCMAKE_BUILD_TYPE=${CONFIG}
    -DCMAKE_PREFIX_PATH=${WORK}/moved -DWITH_INVERSE=${INVERSE} "-DCMAKE_CXX_FLAGS=${LIBRARY_FLAGS}")
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/simulates)
if(NOT output MATCHES "499 points")
  message(FATAL_ERROR "the consumer said: ${output}")
endif()
if(INVERSE)
  run(${WORK}/build/trains)
endif()
if(PROGRAMS)
  run(${WORK}/moved/bin/nmr-simulate --list)
  if(NOT output MATCHES "published-echo")
    message(FATAL_ERROR "the installed nmr-simulate said: ${output}")
  endif()
endif()
file(REMOVE_RECURSE ${WORK})
