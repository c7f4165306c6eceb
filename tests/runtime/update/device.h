/* What the files of the device that updates itself share; see device.c. */
#ifndef TINYOPS_TESTS_UPDATE_DEVICE_H
#define TINYOPS_TESTS_UPDATE_DEVICE_H

#include "flash_model.h"
#include "layout.h"
#include "tinyops/delta.h"
#include "tinyops/manage.h"
#include "tinyops/settings_smp.h"

#define FIRMWARE_TEXT "firmware of the device on the desk: "

enum {
  ARENA_BYTES = 4096,
  FRAME_VALUES = 8,
  STACK_BYTES = 8192,
  MESSAGE_ROOM = 8192,
  KEEP_BYTES = 128,
  SENSOR_FIFO = 16
};

/* The file: flash, and what a process of its own must find again. Whoever has it open may order a
 * cut of power. */
typedef struct {
  uint8_t content[FLASH_BYTES];
  uint8_t marks[FLASH_BYTES]; /* as in flash_model.h; one for each unit */
  uint8_t keep[KEEP_BYTES];   /* RAM that a reset leaves alone */
  uint32_t operations;        /* units programmed and sectors erased, so far */
  uint32_t cut_at;            /* power fails within the operation of this number; 0: never */
  uint32_t cuts;              /* how often it has */
} device_file;

typedef struct {
  const char *board, *fleet;
  uint32_t erase_bytes, program_bytes;
  uint32_t buffer_bytes, rate_millihz, watchdog_ms, erase_ms;
  uint32_t deltas;    /* whether it takes them */
  int line, udp, tcp; /* file descriptor, ports; -1: none */
} device_options;

typedef struct {
  char **arguments; /* of the program */
  device_options options;
  device_file *file;
  tinyops_flash_model model;
  uint64_t opened_us;
  tinyops_port port;
  tinyops_settings settings;
  tinyops_smp_settings settings_calls;
  const tinyops_smp_settings *kept;
  tinyops_slots slots;
  tinyops_app_updates updates;
  tinyops_app_deltas deltas;
  tinyops_image_info firmware; /* that runs */
  const uint8_t *firmware_start;
  char behaviour;
  tinyops_app app;
  tinyops_app_management management;
} device;

extern device self;
extern const tinyops_port_sensor counting_sensor;

/* Ends the program with a sentence. */
void fail(const char *what, const char *why) __attribute__((noreturn));
uint64_t now_us(void);
/* Ends the program for an option that is none. */
void options_read(int count, char **words, device_options *found);

/* The serial line; a closed one ends the program. */
int32_t links_read_byte(void *context);
void links_write(void *context, const uint8_t *bytes, uint32_t count);
void links_idle(void *context);
/* Opens the sockets, or finds them again after a reset, and says that the device is ready. */
void links_open(void);
/* Answers at most one message of each socket. Returns 1 when there was one. */
int32_t links_poll(void);

#endif
