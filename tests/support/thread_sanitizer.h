/// NMRSIM_THREAD_SANITIZER: defined where this is compiled for clang's thread sanitizer, whose
/// runtime has a new and a delete of its own and writes a file when a program starts.
#pragma once

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NMRSIM_THREAD_SANITIZER
#endif
#endif
