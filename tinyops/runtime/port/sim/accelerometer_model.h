/* The accelerometers of micro:bits as their registers show them, measuring what a recording holds:
 * x, y and z of the board, int16 in half thousandths of g. Whoever talks to them says what time it
 * is. Facts: the data sheets that port/nrf5/accelerometer names. */
#ifndef TINYOPS_PORT_SIM_ACCELEROMETER_MODEL_H
#define TINYOPS_PORT_SIM_ACCELEROMETER_MODEL_H

#include <stdint.h>

#include "replay.h"

enum { ACCELEROMETER_FIFO = 32, ACCELEROMETER_REGISTERS = 64 };

typedef enum { ACCELEROMETER_MMA8653, ACCELEROMETER_LSM303AGR } accelerometer_kind;

typedef struct {
  accelerometer_kind kind;
  replay *source;
  uint8_t registers[ACCELEROMETER_REGISTERS];
  uint8_t at; /* register that the next byte is of */
  int moves;  /* to the next one with each byte */
  uint64_t started_us;
  uint32_t odr_millihz;                /* 0: at rest */
  uint64_t measured;                   /* readings since start */
  int16_t fifo[ACCELEROMETER_FIFO][3]; /* as its registers show them, oldest first */
  uint32_t waiting;
  int overrun;
} accelerometer_model;

/* After power-on. */
void accelerometer_open(accelerometer_model *self, accelerometer_kind kind, replay *source);

/* Its address on the bus, 7 bits. */
uint8_t accelerometer_address(const accelerometer_model *self);

/* A byte that the master writes; the first of a transfer names a register. */
void accelerometer_take(accelerometer_model *self, uint64_t now_us, uint8_t byte, int first);

/* A byte that it reads. */
uint8_t accelerometer_give(accelerometer_model *self, uint64_t now_us);

#endif
