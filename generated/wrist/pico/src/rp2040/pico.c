/* Facts: RP2040 datasheet 2.3.1.7 (SIO), 2.19.6 (GPIO), 4.9 (ADC); Pico datasheet 2.1 (GP25: LED,
 * GP29: VSYS/3 on ADC 3), 4.3 (reference). */
#include "pico.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define PIN_FUNCTION(pin) REGISTER(0x40014004u + 8u * (pin))
#define PIN_PAD(pin) REGISTER(0x4001c004u + 4u * (pin))
#define OUT_SET REGISTER(0xd0000014u)
#define OUT_CLEAR REGISTER(0xd0000018u)
#define OUT_ON_SET REGISTER(0xd0000024u)
#define ADC_CONTROL REGISTER(0x4004c000u)
#define ADC_RESULT REGISTER(0x4004c004u)

enum { LED = 25, SUPPLY = 29, SUPPLY_CHANNEL = 3, PIN_IS_SIO = 5, PAD_ANALOGUE = 0x80 };

#define ADC_ON 1u
#define ADC_START_ONCE 4u
#define ADC_READY (1u << 8)
#define ADC_STEPS_BITS 12u
#define REFERENCE_MV 3300u
#define SUPPLY_DIVIDED_BY 3u

void pico_show(uint32_t on) {
  if (on != 0) {
    OUT_SET = 1u << LED;
  } else {
    OUT_CLEAR = 1u << LED;
  }
  OUT_ON_SET = 1u << LED;
  PIN_FUNCTION(LED) = PIN_IS_SIO;
}

uint32_t pico_supply_mv(void) {
  PIN_PAD(SUPPLY) = PAD_ANALOGUE; /* output and input buffer off, no pull */
  ADC_CONTROL = ADC_ON;
  while ((ADC_CONTROL & ADC_READY) == 0) {
  }
  ADC_CONTROL = ADC_ON | ADC_START_ONCE | (uint32_t)SUPPLY_CHANNEL << 12;
  while ((ADC_CONTROL & ADC_READY) == 0) {
  }
  return (ADC_RESULT & 0xfffu) * SUPPLY_DIVIDED_BY * REFERENCE_MV >> ADC_STEPS_BITS;
}
