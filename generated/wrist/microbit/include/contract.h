/* What this firmware promises to a model image, and where things lie; rendered by `tinyops render`.
 *
 * Board microbit, fleet wrist. Contract sha256:9e8abe4231a46c48ccb1196af0c575ed85f13dd98e31288b24eb5671059c16d3:
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

#define FIRMWARE_BOARD "microbit"
#define FIRMWARE_FLEET "wrist"
#define FIRMWARE_VERSION "0.1.0"

/* SHA-256 of the contract's canonical JSON. */
#define CONTRACT_SHA256 \
  { \
    0x9e, 0x8a, 0xbe, 0x42, 0x31, 0xa4, 0x6c, 0x48, \
    0xcc, 0xb1, 0x19, 0x6a, 0xf0, 0xc5, 0x75, 0xed, \
    0x85, 0xf1, 0x3d, 0xd9, 0x8e, 0x31, 0x28, 0x8b, \
    0x24, 0xeb, 0x56, 0x71, 0x05, 0x9c, 0x16, 0xd3 \
  }

/* Flash, bytes; where the slot lies is the linker's to say. */
#define MODEL_SLOT_BYTES 85984u

/* Flash that keeps who the device is, and a buffer for one step of writing it; bytes. */
#define SETTINGS_ORIGIN 0x0003f000u
#define SETTINGS_BYTES 2048u
#define SETTINGS_UNIT_BYTES 32u

/* RAM. */
#define SMP_MESSAGE_BYTES 1024u
#define ARENA_BYTES 10240u
#define FRAME_VALUES 6u /* int16 values of one sensor frame */

/* Samples of every channel in 1000 seconds; 0: frames that come when they come. */
#define RATE_MILLIHZ 10000u

#endif
