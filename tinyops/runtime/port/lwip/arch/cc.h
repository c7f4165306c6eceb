/* lwIP on a 32-bit core without an operating system. */
#ifndef TINYOPS_LWIP_CC_H
#define TINYOPS_LWIP_CC_H

#include <stdint.h>

uint32_t tinyops_network_random(void);

#define LWIP_RAND() tinyops_network_random()
#define LWIP_NO_STDIO_H 1
#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_CTYPE_H 0
#define X8_F "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "u"
#define LWIP_PLATFORM_DIAG(text)
/* What lwIP takes for impossible ends as a fault: kept, reported, restarted. */
#define LWIP_PLATFORM_ASSERT(text) __builtin_trap()

#endif
