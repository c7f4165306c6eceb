/* See esp_ota_host.cpp. */
#pragma once
#include <stdint.h>

/* As the bootloader at a reset: chooses the firmware that runs. -1: none starts. */
int esp_host_boot();
/* After a reset that this process has taken from another one: this firmware runs. */
void esp_host_resume(int firmware);
/* Whether those bytes are in the running firmware's image, near its start. */
bool esp_host_runs(const char *mark);
/* As arduino-esp32 before setup(): confirms what is pending, unless the program says later. */
void esp_host_init_arduino();
/* Whether the bootloader would start what lies in a partition. */
bool esp_host_is_image(uint32_t firmware);
/* Whether what is selected begins as a trial; where the bootloader was built without, it does not.
 */
extern bool esp_host_keeps_trials;

extern "C" void esp_restart(void);
