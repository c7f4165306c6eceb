/* What tinyops's Arduino port uses of each core's API, declared and no more: for compiling, not for
 * running. */
#ifndef THIN_ARDUINO_H
#define THIN_ARDUINO_H

#include <stddef.h>
#include <stdint.h>

#define LED_BUILTIN 13
#define OUTPUT 1
#define LOW 0
#define HIGH 1

struct SerialLine {
  int in, out; /* the host's */
#if defined(ARDUINO_ARCH_RP2040)
  bool setFIFOSize(size_t size);
#endif
  void begin(unsigned long baud);
  int available();
  int read();
  size_t write(const uint8_t *bytes, size_t count);
  void flush();
};
extern SerialLine Serial, Serial1, Serial2;

unsigned long millis();
void delay(unsigned long milliseconds);
void pinMode(int pin, int mode);
void digitalWrite(int pin, int level);

#if defined(ARDUINO_ARCH_ESP32)
void enableLoopWDT();
void feedLoopWDT();
struct EspClass {
  uint32_t getCycleCount();
  uint64_t getEfuseMac();
};
extern EspClass ESP;
#elif defined(ARDUINO_ARCH_RP2040)
struct RP2040 {
  enum resetReason_t {
    UNKNOWN_RESET,
    PWRON_RESET,
    RUN_PIN_RESET,
    SOFT_RESET,
    WDT_RESET,
    DEBUG_RESET,
    GLITCH_RESET,
    BROWNOUT_RESET
  };
  resetReason_t getResetReason();
  void reboot();
  void wdt_begin(uint32_t milliseconds);
  void wdt_reset();
  uint32_t getCycleCount();
  void idleOtherCore();
  void resumeOtherCore();
};
extern RP2040 rp2040;
extern "C" char __StackLimit, __bss_end__;
void noInterrupts();
void interrupts();
#elif defined(__IMXRT1062__)
extern volatile uint32_t SRC_SRSR;
extern volatile uint16_t WDOG1_WCR, WDOG1_WSR;
extern volatile uint32_t HW_OCOTP_CFG0, HW_OCOTP_CFG1;
#elif defined(ARDUINO_ARCH_RENESAS)
struct SystemRegisters {
  volatile uint8_t RSTSR0;
  volatile uint16_t RSTSR1;
};
extern SystemRegisters *const R_SYSTEM;
typedef struct {
  union {
    uint32_t unique_id_words[4];
    uint8_t unique_id_bytes[16];
  };
} bsp_unique_id_t;
bsp_unique_id_t const *R_BSP_UniqueIdGet();
#elif defined(ARDUINO_ARCH_STM32)
#define STM32H7xx
#define FLASH_TYPEERASE_SECTORS 0x00U
#define FLASH_BANK_1 0x01U
#define FLASH_BANK_2 0x02U
#define FLASH_VOLTAGE_RANGE_3 0x20U
#define FLASH_TYPEPROGRAM_FLASHWORD 0x01U
typedef enum { HAL_OK = 0, HAL_ERROR = 1 } HAL_StatusTypeDef;
typedef struct {
  uint32_t TypeErase;
  uint32_t Banks;
  uint32_t Sector;
  uint32_t NbSectors;
  uint32_t VoltageRange;
} FLASH_EraseInitTypeDef;
extern "C" {
uint32_t HAL_GetUIDw0(void);
uint32_t HAL_GetUIDw1(void);
uint32_t HAL_GetUIDw2(void);
HAL_StatusTypeDef HAL_FLASH_Unlock(void);
HAL_StatusTypeDef HAL_FLASH_Lock(void);
HAL_StatusTypeDef HAL_FLASH_Program(uint32_t kind, uint32_t address, uint32_t data_address);
HAL_StatusTypeDef HAL_FLASHEx_Erase(FLASH_EraseInitTypeDef *wanted, uint32_t *failed);
void SCB_CleanInvalidateDCache(void);
}
#endif

#endif
