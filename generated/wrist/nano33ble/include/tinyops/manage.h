/* Management of the application over SMP: what connects the server of smp.h with app.h.
 *
 *   board.smp = tinyops_app_manage(&management, &app, &port, &release);  before tinyops_app_init */
#ifndef TINYOPS_MANAGE_H
#define TINYOPS_MANAGE_H

#include "tinyops/app.h"
#include "tinyops/sha256.h"
#include "tinyops/smp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the firmware knows of itself. Everything pointed to outlives the application. */
typedef struct {
  const char *fleet;
  const char *version;
  const uint8_t *flash; /* the firmware as it lies in flash, which may begin at address 0 */
  uint32_t flash_bytes; /* 0: it cannot be read as data */
  void (*digest)(
      uint8_t *digest); /* then writes its SHA-256 all the same; null: it cannot be read */
  /* SHA-256 of what can be read, tinyops_sha256_of or the boot table's; null: no digests. */
  void (*sha256_of)(tinyops_sha256_reader read, void *context, uint32_t count, uint8_t *digest);
  const tinyops_smp_settings *settings; /* null: the board keeps none */
  /* What says what runs, and replaces it: tinyops_app_running_calls with the management, or
   * tinyops_app_update_calls with what tinyops_app_attach_updates returned. */
  const tinyops_smp_images *image_calls;
  void *images;
  uint8_t *message; /* room for an SMP message, see smp.h */
  uint32_t message_bytes;
} tinyops_app_release;

/* State of the management; the caller provides the memory and leaves it alone. */
typedef struct {
  tinyops_app *app;
  const tinyops_port *port;
  const tinyops_app_release *release;
  tinyops_smp smp;
  tinyops_smp_board board;
  uint8_t digested;       /* the firmware's digest was computed, when somebody first asked */
  uint32_t digested_load; /* the model's was, of the image of that number */
  uint8_t firmware[TINYOPS_SMP_DIGEST_BYTES];
  uint8_t model[TINYOPS_SMP_DIGEST_BYTES];
} tinyops_app_management;

/* For boards on which nothing is replaced over SMP: says what runs. */
extern const tinyops_smp_images tinyops_app_running_calls;

/* Prepares the server for `app`, which need not be initialised yet, on its port. Returns what
 * belongs in the application's board. */
tinyops_smp *tinyops_app_manage(tinyops_app_management *management, tinyops_app *app,
                                const tinyops_port *port, const tinyops_app_release *release);

#ifdef __cplusplus
}
#endif

#endif
