/* What tinyops uses of the core's PDM library, declared and no more. */
#ifndef THIN_PDM_H
#define THIN_PDM_H

#include <stddef.h>

struct ThinPdm {
  int begin(int channels, int sampleRate);
  int available(); /* bytes */
  int read(void *buffer, size_t size);
  void onReceive(void (*function)());
};
extern ThinPdm PDM;

#endif
