/* Around a library's headers, whose warnings are not ours. */
#ifndef TINYOPS_ARDUINO_LIBRARY_H
#define TINYOPS_ARDUINO_LIBRARY_H

#define TINYOPS_LIBRARY_BEGIN                                                       \
  _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wconversion\"") \
      _Pragma("GCC diagnostic ignored \"-Wpedantic\"")                              \
          _Pragma("GCC diagnostic ignored \"-Wunused-parameter\"")
#define TINYOPS_LIBRARY_END _Pragma("GCC diagnostic pop")

#endif
