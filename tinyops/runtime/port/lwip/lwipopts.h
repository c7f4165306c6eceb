/* lwIP 2.1.3 for one client connection at a time: no system, no malloc, all memory in pools whose
 * sizes stand here. */
#ifndef TINYOPS_LWIPOPTS_H
#define TINYOPS_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0 /* everything runs in the main loop */
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ARP 1
#define LWIP_ICMP 1
#define LWIP_RAW 0
#define LWIP_UDP 1
#define LWIP_TCP 1
#define LWIP_DHCP 1
#define LWIP_DNS 1
#define LWIP_AUTOIP 0
#define LWIP_IGMP 0
#define LWIP_ACD 0
#define LWIP_NETIF_API 0
#define LWIP_STATS 0
#define IP_REASSEMBLY 0
#define IP_FRAG 0

/* Fixed memory. */
#define MEM_LIBC_MALLOC 0
#define MEMP_MEM_MALLOC 0
#define MEM_ALIGNMENT 4
#define MEM_SIZE 6144 /* what is sent and not yet acknowledged, DHCP's messages */
#define PBUF_POOL_SIZE 10
#define PBUF_POOL_BUFSIZE 1536 /* a whole frame */
#define MEMP_NUM_PBUF 4
#define MEMP_NUM_UDP_PCB 2 /* DHCP, DNS */
#define MEMP_NUM_TCP_PCB 4 /* one that is used, those that still close */
#define MEMP_NUM_TCP_PCB_LISTEN 1
#define MEMP_NUM_TCP_SEG 8
#define ARP_TABLE_SIZE 4
#define DNS_TABLE_SIZE 2
#define DNS_MAX_NAME_LENGTH 256

#define TCP_MSS 1460
#define TCP_WND (5 * TCP_MSS) /* what may be on its way here: half of the pool */
#define TCP_SND_BUF (2 * TCP_MSS)
#define TCP_SND_QUEUELEN 8
#define TCP_LISTEN_BACKLOG 0
#define LWIP_TCP_KEEPALIVE 1

/* Sequence numbers, ports and questions that nobody outside can guess. */
#include "arch/cc.h"
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) tinyops_network_random()
#define LWIP_DNS_SECURE                                                 \
  (LWIP_DNS_SECURE_RAND_XID | LWIP_DNS_SECURE_NO_MULTIPLE_OUTSTANDING | \
   LWIP_DNS_SECURE_RAND_SRC_PORT)
/* A virtual network has its name server elsewhere than at 53. */
unsigned short tinyops_network_name_port(void);
#define DNS_SERVER_PORT tinyops_network_name_port()

#define LWIP_CHECKSUM_ON_COPY 1
#define LWIP_NETIF_STATUS_CALLBACK 0
#define LWIP_NETIF_TX_SINGLE_PBUF 1
#define LWIP_DEBUG 0

#endif
