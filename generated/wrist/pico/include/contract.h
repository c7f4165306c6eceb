/* What this firmware promises to a model image, and where things lie; rendered by `tinyops render`.
 *
 * Board pico, fleet wrist. Contract sha256:de8085c84d7f4483f67d0f88d6c5cffbba1796a24a6e5138b30f57e191b84458:
 *   input.channels: ["ax", "ay", "az", "gx", "gy", "gz"]
 *   input.frame_values: 6
 *   input.full_scale: [40.0, 40.0, 40.0, 35.0, 35.0, 35.0]
 *   input.hop_frames: 10
 *   input.rate_hz: 10.0
 *   input.sensor: "imu"
 *   input.units: ["m/s2", "m/s2", "m/s2", "rad/s", "rad/s", "rad/s"]
 *   input.window_frames: 40
 *   output.bytes: 4
 *   output.classes: ["Standing", "Running", "Walking", "Badminton"]
 *   output.type: "int8"
 */
#ifndef TINYOPS_CONTRACT_H
#define TINYOPS_CONTRACT_H

#define FIRMWARE_BOARD "pico"
#define FIRMWARE_FLEET "wrist"
#define FIRMWARE_VERSION "0.1.0"

/* SHA-256 of the contract's canonical JSON. */
#define CONTRACT_SHA256 \
  { \
    0xde, 0x80, 0x85, 0xc8, 0x4d, 0x7f, 0x44, 0x83, \
    0xf6, 0x7d, 0x0f, 0x88, 0xd6, 0xc5, 0xcf, 0xfb, \
    0xba, 0x17, 0x96, 0xa2, 0x4a, 0x6e, 0x51, 0x38, \
    0xb3, 0x0f, 0x57, 0xe1, 0x91, 0xb8, 0x44, 0x58 \
  }

/* Flash, bytes; where the slot lies is the linker's to say. */
#define MODEL_SLOT_BYTES 851936u

/* Flash that keeps who the device is, and a buffer for one step of writing it; bytes. */
#define SETTINGS_ORIGIN 0x101fe000u
#define SETTINGS_BYTES 8192u
#define SETTINGS_UNIT_BYTES 256u

/* RAM. */
#define SMP_MESSAGE_BYTES 4096u
#define ARENA_BYTES 196608u
#define FRAME_VALUES 6u /* int16 values of one sensor frame */

/* Samples of every channel in 1000 seconds; 0: frames that come when they come. */
#define RATE_MILLIHZ 10000u

#endif
