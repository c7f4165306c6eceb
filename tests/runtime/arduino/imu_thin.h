/* What Arduino's libraries of IMUs have in common. */
#ifndef THIN_IMU_H
#define THIN_IMU_H

struct ThinImu {
  int begin();
  void setContinuousMode();
  int accelerationAvailable();                        /* above 0: there is a reading */
  int readAcceleration(float &x, float &y, float &z); /* g */
  int readGyroscope(float &x, float &y, float &z);    /* degrees a second */
  float accelerationSampleRate();                     /* Hz */
};
extern ThinImu IMU;

#endif
