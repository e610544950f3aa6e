# Installs BUILD under WORK, moves the prefix, and there configures, builds and runs PROJECT; then the
# same programs by pkg-config.

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output
                  ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(run_and_expect words)
  run(${ARGN})
  if(NOT output MATCHES "${words}")
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nsaid nothing of \"${words}\":\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/moved)

set(configure ${CMAKE_COMMAND} -S ${PROJECT} -G ${GENERATOR} -DCMAKE_BUILD_TYPE=${CONFIG}
    -DCMAKE_C_COMPILER=${CC} -DCMAKE_CXX_COMPILER=${CXX}
    -DCMAKE_PREFIX_PATH=${WORK}/moved -DWITH_INVERSE=${INVERSE} -DWITH_FIT=${FIT} -DREADME=${README}
    -DEXAMPLES=${WORK}/moved/share/nmrsim/examples "-DCMAKE_CXX_FLAGS=${LIBRARY_FLAGS}")
run(${configure} -B ${WORK}/build)
run(${CMAKE_COMMAND} --build ${WORK}/build)
run_and_expect("499 points" ${WORK}/build/simulates)
run_and_expect("499 points" ${WORK}/build/simulates_by_old_name)
run_and_expect("856 points" ${WORK}/build/echo)
if(FIT)
  run_and_expect("alpha_x = 59[.]9. [+]- 0[.]04 kHz" ${WORK}/build/fits)
endif()
if(INVERSE)
  run(${WORK}/build/trains)
endif()

# A component that does not exist, or was not built, is refused in words.
set(missing simulation)
set(words "no component simulation")
if(NOT FIT)
  list(APPEND missing fit)
  list(APPEND words "without the component fit")
endif()
if(NOT INVERSE)
  list(APPEND missing inverse)
  list(APPEND words "without the component inverse")
endif()
foreach(component expected IN ZIP_LISTS missing words)
  execute_process(COMMAND ${configure} -B ${WORK}/refused -DWITH_COMPONENT=${component}
                  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  if(status EQUAL 0 OR NOT output MATCHES "${expected}")
    message(FATAL_ERROR "asked for the component ${component}, CMake ended with ${status}:\n${output}")
  endif()
endforeach()

if(PKG_CONFIG)
  file(GLOB_RECURSE pc ${WORK}/moved/*/nmrsim.pc)
  get_filename_component(folder ${pc} DIRECTORY)
  set(ENV{PKG_CONFIG_PATH} ${folder}:$ENV{PKG_CONFIG_PATH})
  run(${PKG_CONFIG} --variable=libdir nmrsim)
  string(STRIP "${output}" libraries)
  run(${PKG_CONFIG} --cflags --libs nmrsim)
  separate_arguments(flags UNIX_COMMAND "${output}")
  separate_arguments(library_flags UNIX_COMMAND "${LIBRARY_FLAGS}")
  set(run_path -Wl,-rpath,${libraries})
  run(${CC} -std=c99 -pedantic -Wall -Werror ${WORK}/moved/share/nmrsim/examples/c/echo.c -o ${WORK}/echo
      ${library_flags} ${flags} -lm ${run_path})
  run_and_expect("856 points" ${WORK}/echo)
  run(${CXX} -std=c++20 ${PROJECT}/simulates.cpp -o ${WORK}/simulates ${library_flags} ${flags}
      ${run_path})
  run_and_expect("499 points" ${WORK}/simulates)
  if(FIT)
    run(${PKG_CONFIG} --cflags --libs nmrsim-fit)
    separate_arguments(flags UNIX_COMMAND "${output}")
    run(${CC} -std=c99 -pedantic -Wall -Werror ${WORK}/moved/share/nmrsim/examples/c/fit.c
        -o ${WORK}/fit ${library_flags} ${flags} -lm ${run_path})
    run_and_expect("alpha_x_khz = (59[.][5-9]|60[.][0-5])" ${WORK}/fit)
  endif()
endif()

if(PROGRAMS)
  run_and_expect("published-echo" ${WORK}/moved/bin/nmr-simulate --list)
endif()
file(REMOVE_RECURSE ${WORK})
