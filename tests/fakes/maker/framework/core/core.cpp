/* A core that starts and does nothing: it stands for a maker's, whose linker script knows none of
 * our slots. */
#include <Arduino.h>
#include <IWatchdog.h>

extern "C" {
extern uint32_t core_stack_top, core_data_from, core_data_start, core_data_end, core_bss_start,
    core_bss_end;
void core_start(void);
}
void setup();
void loop();

typedef void (*vector)(void);
__attribute__((section(".vectors"), used)) static const vector vectors[] = {(vector)&core_stack_top,
                                                                            core_start};

void core_start(void) {
  const uint32_t *from = &core_data_from;
  for (uint32_t *to = &core_data_start; to < &core_data_end;) {
    *to++ = *from++;
  }
  for (uint32_t *to = &core_bss_start; to < &core_bss_end;) {
    *to++ = 0;
  }
  setup();
  for (;;) {
    loop();
  }
}

SerialLine Serial;
IWatchdogClass IWatchdog;
static unsigned long now;

void SerialLine::begin(unsigned long) {}
int SerialLine::available() { return 0; }
int SerialLine::read() { return -1; }
size_t SerialLine::write(const uint8_t *, size_t count) { return count; }
void SerialLine::flush() {}
void IWatchdogClass::begin(uint32_t) {}
void IWatchdogClass::reload() {}
bool IWatchdogClass::isReset(bool) { return false; }
unsigned long millis() { return now++; }
void pinMode(int, int) {}
void digitalWrite(int, int) {}

/* Its flash: nothing is ever written. */
extern "C" {
uint32_t HAL_GetUIDw0(void) { return 0x01020304; }
uint32_t HAL_GetUIDw1(void) { return 0x05060708; }
uint32_t HAL_GetUIDw2(void) { return 0x090a0b0c; }
HAL_StatusTypeDef HAL_FLASH_Unlock(void) { return HAL_ERROR; }
HAL_StatusTypeDef HAL_FLASH_Lock(void) { return HAL_OK; }
HAL_StatusTypeDef HAL_FLASH_Program(uint32_t, uint32_t, uint32_t) { return HAL_ERROR; }
HAL_StatusTypeDef HAL_FLASHEx_Erase(FLASH_EraseInitTypeDef *, uint32_t *) { return HAL_ERROR; }
void SCB_CleanInvalidateDCache(void) {}
}
