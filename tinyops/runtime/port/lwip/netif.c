/* The network itself: frames between the board's controller and lwIP, an address by DHCP. */
#include <string.h>

#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/timeouts.h"
#include "mbedtls/memory_buffer_alloc.h"
#include "mbedtls/platform.h"
#include "netif/ethernet.h"
#include "state.h"

enum { FRAME_MAX = 1514, FRAME_MIN = 60, FRAME_WORDS = (FRAME_MAX + 3) / 4, FRAMES_A_TURN = 8 };
enum { PAINT = 0xa5, HEAP_HEAD_BYTES = 64 /* the allocator's, in front */ };

tinyops_network tinyops_the_network;

void tinyops_network_stop(int status);

/* mbedTLS found its heap damaged: a fault, kept, reported, restarted. */
void tinyops_network_stop(int status) {
  (void)status;
  __builtin_trap();
}

static const tinyops_network_board *board(void) { return tinyops_the_network.config.board; }

u32_t sys_now(void) { return board()->now_ms(); }

unsigned short tinyops_network_name_port(void) {
  return board()->name_server != 0 ? board()->name_port : 53;
}

/* lwIP asks before anything can have failed: its numbers only have to differ then. */
uint32_t tinyops_network_random(void) {
  uint32_t word = 0;
  if (mbedtls_ctr_drbg_random(&tinyops_the_network.drbg, (unsigned char *)&word, sizeof(word)) !=
      0) {
    word = board()->now_ms();
  }
  return word;
}

static err_t send_frame(struct netif *netif, struct pbuf *packet) {
  static uint32_t frame[FRAME_WORDS];
  (void)netif;
  if (packet->tot_len > FRAME_MAX) {
    return ERR_IF;
  }
  uint32_t count = pbuf_copy_partial(packet, frame, packet->tot_len, 0);
  if (count < FRAME_MIN) {
    memset((uint8_t *)frame + count, 0, FRAME_MIN - count);
    count = FRAME_MIN;
  }
  return board()->send(frame, count) == 0 ? ERR_OK : ERR_MEM;
}

static err_t open_netif(struct netif *netif) {
  netif->name[0] = 'e';
  netif->name[1] = 'n';
  netif->output = etharp_output;
  netif->linkoutput = send_frame;
  netif->mtu = 1500;
  netif->hwaddr_len = ETH_HWADDR_LEN;
  netif->flags =
      NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
  return board()->open(netif->hwaddr) == 0 ? ERR_OK : ERR_IF;
}

/* Whatever lwIP has no room for is lost, as on any wire. */
static void receive_frame(struct netif *netif, uint32_t count) {
  struct pbuf *packet = pbuf_alloc(PBUF_RAW, (u16_t)count, PBUF_POOL);
  if (packet == NULL || packet->next != NULL) {
    board()->drop(count);
  } else {
    board()->take((uint32_t *)packet->payload, count);
    if (netif->input(packet, netif) == ERR_OK) {
      return;
    }
  }
  if (packet != NULL) {
    (void)pbuf_free(packet);
  }
}

static int read_noise(void *context, unsigned char *bytes, size_t room, size_t *count) {
  (void)context;
  *count = 0;
  if (board()->random(bytes, (uint32_t)room) != 0) {
    return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
  }
  *count = room;
  return 0;
}

static int32_t open_randomness(tinyops_network *network) {
  mbedtls_entropy_init(&network->entropy);
  mbedtls_ctr_drbg_init(&network->drbg);
  (void)mbedtls_entropy_add_source(&network->entropy, read_noise, NULL, 32,
                                   MBEDTLS_ENTROPY_SOURCE_STRONG);
  return mbedtls_ctr_drbg_seed(&network->drbg, mbedtls_entropy_func, &network->entropy, NULL, 0) ==
                 0
             ? 0
             : TINYOPS_STREAM_RANDOM;
}

static int32_t open_link(tinyops_network *network) {
  lwip_init();
  if (netif_add(&network->netif, IP4_ADDR_ANY4, IP4_ADDR_ANY4, IP4_ADDR_ANY4, NULL, open_netif,
                ethernet_input) == NULL) {
    return TINYOPS_STREAM_NO_LINK;
  }
  netif_set_default(&network->netif);
  netif_set_up(&network->netif);
  return dhcp_start(&network->netif) == ERR_OK ? 0 : TINYOPS_STREAM_NO_LINK;
}

int32_t tinyops_network_open(const tinyops_network_config *config, tinyops_stream *stream) {
  tinyops_network *network = &tinyops_the_network;
  if (network->is_open == 0) {
    network->config = *config;
    mbedtls_memory_buffer_alloc_init(config->heap, config->heap_bytes);
    memset(config->heap + HEAP_HEAD_BYTES, PAINT, config->heap_bytes - HEAP_HEAD_BYTES);
    int32_t status = open_randomness(network);
    if (status == 0) {
      status = open_link(network);
    }
    if (status != 0) {
      return status;
    }
    network->is_open = 1;
  }
  tinyops_connection_attach(stream);
  return 0;
}

void tinyops_network_set_roots(const uint8_t *roots, uint32_t bytes) {
  tinyops_the_network.config.roots = roots;
  tinyops_the_network.config.roots_bytes = bytes;
}

/* A virtual network's name server is put in place of the one that DHCP announces. */
static void find_name_server(void) {
  if (board()->name_server != 0) {
    ip_addr_t address = IPADDR4_INIT(0);
    ip4_addr_set_u32(ip_2_ip4(&address), board()->name_server);
    dns_setserver(0, &address);
  }
}

int32_t tinyops_network_poll(void) {
  tinyops_network *network = &tinyops_the_network;
  int32_t found = 0;
  if (network->is_open == 0) {
    return 0;
  }
  for (uint32_t i = 0; i < FRAMES_A_TURN; i++) {
    const uint32_t count = board()->arrived();
    if (count == 0) {
      break;
    }
    receive_frame(&network->netif, count);
    found = 1;
  }
  sys_check_timeouts();
  find_name_server();
  return found != 0 || network->connection.goes_on != 0;
}

int32_t tinyops_network_has_address(void) {
  return tinyops_the_network.is_open != 0 && dhcp_supplied_address(&tinyops_the_network.netif) != 0;
}

uint32_t tinyops_network_heap_used(void) {
  const tinyops_network_config *config = &tinyops_the_network.config;
  uint32_t used = config->heap_bytes;
  while (used != 0 && config->heap[used - 1] == PAINT) {
    used--;
  }
  return used;
}
