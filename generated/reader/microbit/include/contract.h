/* What this firmware promises to a model image, and where things lie; rendered by `tinyops render`.
 *
 * Board microbit, fleet reader. Contract sha256:c7a9df03030a0118885b96daac0fa14e35a69246519df87559b8b5ed5fe118b2:
 *   input.channels: ["grey"]
 *   input.frame_values: 64
 *   input.full_scale: [16.0]
 *   input.hop_frames: 1
 *   input.rate_hz: null
 *   input.sensor: "camera"
 *   input.units: ["1"]
 *   input.window_frames: 1
 *   output.bytes: 10
 *   output.classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
 *   output.type: "int8"
 */
#ifndef TINYOPS_CONTRACT_H
#define TINYOPS_CONTRACT_H

#define FIRMWARE_BOARD "microbit"
#define FIRMWARE_FLEET "reader"
#define FIRMWARE_VERSION "0.1.0"

/* SHA-256 of the contract's canonical JSON. */
#define CONTRACT_SHA256 \
  { \
    0xc7, 0xa9, 0xdf, 0x03, 0x03, 0x0a, 0x01, 0x18, \
    0x88, 0x5b, 0x96, 0xda, 0xac, 0x0f, 0xa1, 0x4e, \
    0x35, 0xa6, 0x92, 0x46, 0x51, 0x9d, 0xf8, 0x75, \
    0x59, 0xb8, 0xb5, 0xed, 0x5f, 0xe1, 0x18, 0xb2 \
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
#define FRAME_VALUES 64u /* int16 values of one sensor frame */

/* Samples of every channel in 1000 seconds; 0: frames that come when they come. */
#define RATE_MILLIHZ 0u

#endif
