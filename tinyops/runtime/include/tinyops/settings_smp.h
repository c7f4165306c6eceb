/* Settings as an SMP server asks for them. */
#ifndef TINYOPS_SETTINGS_SMP_H
#define TINYOPS_SETTINGS_SMP_H

#include "tinyops/settings.h"
#include "tinyops/smp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fills in `calls` for settings that tinyops_settings_open has opened; with the board's
 * `settings` pointing to them, the server reads what is no secret and writes all. `settings`
 * outlives them. */
void tinyops_settings_serve(tinyops_settings *settings, tinyops_smp_settings *calls);

/* At start-up: gives `settings`, whose region and buffer the caller has filled in, the port's
 * flash, opens them and fills in `calls`. Returns `calls`, or null for a port without flash or with
 * another geometry: the board then keeps no settings. */
const tinyops_smp_settings *tinyops_settings_attach(tinyops_settings *settings,
                                                    tinyops_smp_settings *calls,
                                                    const tinyops_port *port);

#ifdef __cplusplus
}
#endif

#endif
