/* Geometry of a window that slides over an (H, W, C) image, batch 1. */
#ifndef TINYOPS_KERNELS_WINDOW_H
#define TINYOPS_KERNELS_WINDOW_H

#include <stdint.h>

/* Extents in elements. Tap (ky, kx) of output (y, x) reads input
 * (y * stride_h - pad_top + ky * dilation_h, x * stride_w - pad_left + kx * dilation_w). */
typedef struct {
  int32_t in_h, in_w, in_c;
  int32_t out_h, out_w, out_c;
  int32_t kernel_h, kernel_w;
  int32_t stride_h, stride_w;
  int32_t dilation_h, dilation_w;
  int32_t pad_top, pad_left;
} tinyops_window;

/* Taps first..last-1 of a kernel of `taps` lie inside an image of `extent`, starting at `origin`.
 */
typedef struct {
  int32_t first, last;
} tinyops_taps;

static inline tinyops_taps tinyops_taps_inside(int32_t origin, int32_t extent, int32_t taps,
                                               int32_t dilation) {
  tinyops_taps inside = {0, taps};
  if (origin < 0) {
    inside.first = (-origin + dilation - 1) / dilation;
    inside.first = inside.first < taps ? inside.first : taps;
  }
  if (origin + (taps - 1) * dilation >= extent) {
    inside.last = extent > origin ? (extent - origin + dilation - 1) / dilation : 0;
    inside.last = inside.last > inside.first ? inside.last : inside.first;
  }
  return inside;
}

#endif
