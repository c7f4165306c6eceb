/* The settings region: numbers. Written by tinyops/device/provision/format.py, which is its
 * definition; never edited by hand. */
#ifndef TINYOPS_SETTINGS_FORMAT_H
#define TINYOPS_SETTINGS_FORMAT_H

#define TINYOPS_SETTINGS_MAGIC 0x31535254u
#define TINYOPS_SETTINGS_HEADER_BYTES 16u
#define TINYOPS_SETTINGS_VALUE_HEAD_BYTES 3u
/* Of a device with room for more the build says how much. */
#if !defined(TINYOPS_SETTINGS_VALUES_MAX)
#define TINYOPS_SETTINGS_VALUES_MAX 896u
#endif
#define TINYOPS_SETTINGS_SECRET_FROM 0x80u

/* the device's id, ASCII */
#define TINYOPS_SETTINGS_DEVICE 0x01u
/* its fleet, ASCII */
#define TINYOPS_SETTINGS_FLEET 0x02u
/* its board in the catalogue, ASCII; of a part of a chain /PART/CHAIN behind it */
#define TINYOPS_SETTINGS_BOARD 0x03u
/* Ed25519 public keys that may sign images, 32 bytes each */
#define TINYOPS_SETTINGS_IMAGE_KEYS 0x04u
/* public half of its own key, 32 bytes */
#define TINYOPS_SETTINGS_REPORT_PUBLIC_KEY 0x05u
/* where releases are, a URL in ASCII */
#define TINYOPS_SETTINGS_ENDPOINT 0x06u
/* name of its network, 1 to 32 bytes */
#define TINYOPS_SETTINGS_WIFI_SSID 0x07u
/* certificates that may vouch for a server, DER, one after another */
#define TINYOPS_SETTINGS_ROOTS 0x08u
/* when this was written, seconds after 1970, 8 bytes, little-endian */
#define TINYOPS_SETTINGS_WRITTEN 0x09u
/* of that network, 8 to 63 characters or 64 hex digits */
#define TINYOPS_SETTINGS_WIFI_PASSWORD 0x80u
/* its own Ed25519 key, 32 bytes: it signs reports */
#define TINYOPS_SETTINGS_REPORT_KEY 0x81u

#endif
