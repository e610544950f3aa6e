# Settings that every target of the project shares.

set(NMRSIM_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast
                    -Wcast-align -Woverloaded-virtual -Wimplicit-fallthrough)

# What sources of ours use, and no public header shows.
find_package(fmt REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)

# C++20, warnings, sanitizers, fmt and OpenMP for one target of ours.
function(nmrsim_settings target)
  nmrsim_compiler_settings(${target})
  target_link_libraries(${target} PRIVATE fmt::fmt OpenMP::OpenMP_CXX)
endfunction()

function(nmrsim_compiler_settings target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE ${NMRSIM_WARNINGS})
  if(NMRSIM_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(NMRSIM_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${NMRSIM_SANITIZE} -fno-omit-frame-pointer
                                            -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${NMRSIM_SANITIZE})
  endif()
endfunction()

# What a library needs to be shared and to be found from any prefix. Without the macro that CMake
# defines for shared libraries, the objects of both kinds are the same and a compiler cache serves both.
function(nmrsim_library_settings target)
  set_target_properties(${target} PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    DEFINE_SYMBOL "" INSTALL_RPATH "$ORIGIN" INSTALL_RPATH_USE_LINK_PATH ON)
endfunction()

# A program looks for the libraries beside itself, wherever the prefix was moved.
function(nmrsim_program_settings target)
  file(RELATIVE_PATH libraries ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/${libraries}"
                                             INSTALL_RPATH_USE_LINK_PATH ON)
endfunction()

# Copies files into a folder, and anew when one changes: nmrsim_copy_files(folder files...).
function(nmrsim_copy_files folder)
  foreach(file IN LISTS ARGN)
    get_filename_component(name ${file} NAME)
    configure_file(${file} ${folder}/${name} COPYONLY)
  endforeach()
endfunction()

# Headers that most sources of a target read, parsed once. Sources name what they need all the same:
# the preset `developer` builds without. Unoptimised, fmt's headers switch optimisation on for
# themselves, which GCC's precompiled headers do not switch off again: then there are none.
function(nmrsim_precompile target)
  if(CMAKE_BUILD_TYPE MATCHES "Rel")
    target_precompile_headers(${target} PRIVATE ${ARGN} <fmt/format.h> <algorithm> <cmath>
                              <functional> <map> <memory> <optional> <span> <stdexcept> <string>
                              <vector>)
  endif()
endfunction()

# The same headers as another target of the same kind.
function(nmrsim_precompile_as target other)
  if(CMAKE_BUILD_TYPE MATCHES "Rel")
    target_precompile_headers(${target} REUSE_FROM ${other})
  endif()
endfunction()

# Compiles the sources of each room (folder) together, at most `most` at a time (NMRSIM_TOGETHER says
# otherwise): templates and inline functions that several use are compiled once. The preset `developer`
# compiles each alone. Anonymous namespaces of a room are one then, so a name means one thing in it.
function(nmrsim_unite target most)
  if(NMRSIM_TOGETHER)
    set(most ${NMRSIM_TOGETHER})
  endif()
  set(rooms "")
  foreach(file IN LISTS ARGN)
    get_filename_component(room ${file} DIRECTORY)
    get_filename_component(room ${room} NAME)
    list(APPEND rooms ${room})
    list(APPEND files_${room} ${file})
  endforeach()
  list(REMOVE_DUPLICATES rooms)
  foreach(room IN LISTS rooms)
    list(LENGTH files_${room} count)
    math(EXPR batches "(${count} + ${most} - 1) / ${most}")
    set(index 0)
    foreach(file IN LISTS files_${room})
      math(EXPR batch "${index} * ${batches} / ${count}")
      set_source_files_properties(${file} PROPERTIES UNITY_GROUP ${room}_${batch})
      math(EXPR index "${index} + 1")
    endforeach()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${NMRSIM_UNITY} UNITY_BUILD_MODE GROUP)
  if(NMRSIM_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # GCC takes every file but the first for a header, which others might include too.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

# Compiles one source once for each instruction set into `target`, with the macro NMRSIM_ISA set to
# baseline, avx2 or avx512, the namespace its functions live in. Nothing else in the project is built
# for more than the baseline; instruction_set.h picks at run time. Such a source includes no standard
# header with inline functions: the linker could keep their copy that needs AVX-512.
function(nmrsim_add_kernel target source)
  set(sets baseline)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(APPEND sets avx2 avx512)
  endif()
  set(flags_baseline "")
  set(flags_avx2 -mavx2 -mfma)
  set(flags_avx512 -mavx512f -mavx512dq -mavx512vl -mavx512bw -mfma -mprefer-vector-width=512)
  get_filename_component(stem ${source} NAME_WE)
  foreach(set IN LISTS sets)
    add_library(${stem}_${set} OBJECT ${source})
    nmrsim_compiler_settings(${stem}_${set})
    target_include_directories(${stem}_${set} PRIVATE include ${CMAKE_CURRENT_SOURCE_DIR}/src)
    target_compile_definitions(${stem}_${set} PRIVATE NMRSIM_ISA=${set} NMRSIM_ISA_${set}=1)
    target_compile_options(${stem}_${set} PRIVATE ${flags_${set}} -O3 -ffp-contract=fast
                                                  -fno-math-errno -fno-trapping-math -Wno-psabi)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${stem}_${set}>)
  endforeach()
endfunction()
