/* Facts: RP2040 datasheet 2.3.1.7 (SIO), 2.19.6 (GPIO), 4.9 (ADC: channel 0 is on GP26); Pico
 * datasheet 4.3 (reference). */
#include "pico.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define PIN_FUNCTION(pin) REGISTER(0x40014004u + 8u * (pin))
#define PIN_PAD(pin) REGISTER(0x4001c004u + 4u * (pin))
#define OUT_SET REGISTER(0xd0000014u)
#define OUT_CLEAR REGISTER(0xd0000018u)
#define OUT_ON_SET REGISTER(0xd0000024u)
#define ADC_CONTROL REGISTER(0x4004c000u)
#define ADC_RESULT REGISTER(0x4004c004u)

enum { FIRST_ANALOGUE = 26, PIN_IS_SIO = 5, PAD_ANALOGUE = 0x80 };

#define ADC_ON 1u
#define ADC_START_ONCE 4u
#define ADC_READY (1u << 8)
#define ADC_STEPS_BITS 12u
#define REFERENCE_MV 3300u
#define SUPPLY_DIVIDED_BY 3u

#if defined(BOARD_LED_PIN)
void pico_show(uint32_t on) {
  if (on != 0) {
    OUT_SET = 1u << BOARD_LED_PIN;
  } else {
    OUT_CLEAR = 1u << BOARD_LED_PIN;
  }
  OUT_ON_SET = 1u << BOARD_LED_PIN;
  PIN_FUNCTION(BOARD_LED_PIN) = PIN_IS_SIO;
}
#endif

#if defined(BOARD_SUPPLY_PIN)
uint32_t pico_supply_mv(void) {
  PIN_PAD(BOARD_SUPPLY_PIN) = PAD_ANALOGUE; /* output and input buffer off, no pull */
  ADC_CONTROL = ADC_ON;
  while ((ADC_CONTROL & ADC_READY) == 0) {
  }
  ADC_CONTROL = ADC_ON | ADC_START_ONCE | (BOARD_SUPPLY_PIN - FIRST_ANALOGUE) << 12;
  while ((ADC_CONTROL & ADC_READY) == 0) {
  }
  return (ADC_RESULT & 0xfffu) * SUPPLY_DIVIDED_BY * REFERENCE_MV >> ADC_STEPS_BITS;
}
#endif
