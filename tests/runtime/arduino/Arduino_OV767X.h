/* What tinyops uses of Arduino_OV767X, declared and no more. */
#ifndef THIN_OV767X_H
#define THIN_OV767X_H

enum { GRAYSCALE = 4 };
enum { QQVGA = 4 };

struct ThinCamera {
  int begin(int resolution, int format, int fps);
  int width() const;
  int height() const;
  void readFrame(void *buffer);
};
extern ThinCamera Camera;

#endif
