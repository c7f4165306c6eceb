/* The RP2040's converter as a sensor: voltages on GP26, GP27 and GP28, as shares of its reference.
 *
 * It converts by a divider of its own clock, and a DMA channel carries what it finds into a ring:
 * nothing waits for the core. A sample is the mean of as many rounds as the slowest clock needs. */
#ifndef TINYOPS_SENSOR_DRIVER_H
#define TINYOPS_SENSOR_DRIVER_H

#include "sensor_signal.h"

enum {
  ADC_CHANNELS = 3,
  ADC_RING_BITS = 13, /* of its bytes */
  ADC_RING = 1 << (ADC_RING_BITS - 1),
  ADC_RATE = -1,  /* the clock has no such divider */
  ADC_FRAME = -2, /* not whole samples, or more than half of the ring */
};

typedef struct {
  tinyops_port_sensor calls; /* the first: a port's `sensor` leads here */
  const tinyops_sensor_signal *signal;
  uint32_t place[ADC_CHANNELS];  /* of a channel within a round, by signal's channel */
  uint32_t factor[ADC_CHANNELS]; /* counts for 65536 steps of the converter */
  uint32_t inputs;               /* bits of those that are converted */
  uint32_t round;                /* conversions of a round */
  uint32_t rounds;               /* of a sample */
  uint32_t divider;              /* cycles of 48 MHz between conversions */
  uint32_t taken;                /* conversions since the ring was started, modulo 2^32 */
  uint32_t lost;                 /* frames, since start */
  uint16_t ring[ADC_RING] __attribute__((aligned(1 << ADC_RING_BITS)));
} tinyops_sensor_driver;

/* Gives the port this sensor. Both and the signal outlive it. The port measures its supply no more:
 * the converter is in use. */
void tinyops_sensor_attach(tinyops_sensor_driver *driver, const tinyops_sensor_signal *signal,
                           tinyops_port *port);

#endif
