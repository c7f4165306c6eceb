/* What the files of one compiled model share, and what no one else may see. */
#ifndef TINYOPS_INTERNAL_H
#define TINYOPS_INTERNAL_H

/* Functions and constants that are not part of the model's ABI. Hidden, so that
 * position-independent code reaches them relative to the program counter and never through a table
 * of addresses. */
#if defined(__GNUC__) && !defined(__AVR__)
#define TINYOPS_INTERNAL __attribute__((visibility("hidden")))
#else
#define TINYOPS_INTERNAL
#endif

/* The four entry points and the header, which a shared object does export. */
#if defined(__GNUC__) && defined(TINYOPS_SHARED)
#define TINYOPS_EXPORT __attribute__((visibility("default")))
#else
#define TINYOPS_EXPORT
#endif

/* Constants that kernels read through this lie in program memory on AVR, which has no other way to
 * keep them out of RAM: in its lowest 64 KB, with GNU C (-std=gnu99, not in C++). Empty elsewhere.
 */
#if defined(__AVR__) && defined(__FLASH)
#define TINYOPS_FLASH __flash
#else
#define TINYOPS_FLASH
#endif

/* Features, which training's own library exports and compiled models hide. */
#ifdef TINYOPS_FEATURE_LIBRARY
#define TINYOPS_FEATURE TINYOPS_EXPORT
#else
#define TINYOPS_FEATURE TINYOPS_INTERNAL
#endif

#endif
