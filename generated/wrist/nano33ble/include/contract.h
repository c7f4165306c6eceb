/* What this firmware promises to a model image, and where things lie; rendered by `tinyops render`.
 *
 * Board nano33ble, fleet wrist. Contract sha256:2c7b0af01912b6f58c60d391e403a1e0eadbf9a9f0efd8070c24047eb7835206:
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

#define FIRMWARE_BOARD "nano33ble"
#define FIRMWARE_FLEET "wrist"
#define FIRMWARE_VERSION "0.1.0"

/* SHA-256 of the contract's canonical JSON. */
#define CONTRACT_SHA256 \
  { \
    0x2c, 0x7b, 0x0a, 0xf0, 0x19, 0x12, 0xb6, 0xf5, \
    0x8c, 0x60, 0xd3, 0x91, 0xe4, 0x03, 0xa1, 0xe0, \
    0xea, 0xdb, 0xf9, 0xa9, 0xf0, 0xef, 0xd8, 0x07, \
    0x0c, 0x24, 0x04, 0x7e, 0xb7, 0x83, 0x52, 0x06 \
  }

/* Flash, bytes; where the slot lies is the linker's to say. */
#define MODEL_SLOT_BYTES 335840u

/* Flash that keeps who the device is, and a buffer for one step of writing it; bytes. */
#define SETTINGS_ORIGIN 0x000f0000u
#define SETTINGS_BYTES 8192u
#define SETTINGS_UNIT_BYTES 32u

/* RAM. */
#define SMP_MESSAGE_BYTES 4096u
#define ARENA_BYTES 131072u
#define FRAME_VALUES 6u /* int16 values of one sensor frame */

/* Samples of every channel in 1000 seconds; 0: frames that come when they come. */
#define RATE_MILLIHZ 10000u

#endif
