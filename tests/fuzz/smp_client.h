/* The other end of an SMP line, for fuzzing: frames messages as MCUmgr's console does, and takes
 * nothing for an answer that is none. It shares no code with the server. */
#ifndef TINYOPS_FUZZ_SMP_CLIENT_H
#define TINYOPS_FUZZ_SMP_CLIENT_H

#include <stdint.h>

enum { SMP_CLIENT_ROOM = 4096, SMP_CLIENT_HEADER = 8 };

/* Puts a message into lines of up to `width` letters of base64 (4 or more). Returns the bytes
 * written to `line`, which has room for SMP_CLIENT_ROOM. `count` is 1,024 at the most. */
uint32_t smp_client_frame(const uint8_t *message, uint32_t count, uint32_t width, uint8_t *line);

/* Takes lines apart that hold exactly one message, and aborts when they do not: marks, length,
 * base64, CRC, header, and one map of well-formed CBOR as the body. Returns its bytes. */
uint32_t smp_client_read(const uint8_t *line, uint32_t count, uint8_t *message);

/* Whether `count` bytes are one item of well-formed CBOR. */
int32_t smp_client_is_cbor(const uint8_t *bytes, uint32_t count);

#endif
