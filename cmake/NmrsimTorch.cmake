# What a LibTorch other than the system's needs, as Python's torch.utils.cmake_prefix_path names it.

# To be called before find_package(Torch). TorchConfig.cmake looks for libc10 by its name: where only
# its own folder is in CMAKE_PREFIX_PATH, and the system has a LibTorch too, it finds the system's.
macro(nmrsim_add_torch_root)
  foreach(prefix IN LISTS CMAKE_PREFIX_PATH)
    if(EXISTS ${prefix}/Torch/TorchConfig.cmake)
      get_filename_component(nmrsim_torch_root ${prefix}/../.. ABSOLUTE)
      list(PREPEND CMAKE_PREFIX_PATH ${nmrsim_torch_root})
    endif()
  endforeach()
endmacro()

# LibTorch 2.15 brings fmt's headers, which hide ours and are of another version than our library:
# what includes Torch then does without the library.
function(nmrsim_torch_settings target)
  foreach(folder IN LISTS TORCH_INCLUDE_DIRS)
    if(EXISTS ${folder}/fmt/format.h AND NOT folder IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
      target_compile_definitions(${target} PRIVATE FMT_HEADER_ONLY)
    endif()
  endforeach()
endfunction()
