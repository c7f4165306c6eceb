/* A rendered Arduino program for an RP2350 as a process: its flash is the file that FLASH names,
 * where the chip has it. In place of hardware_rp2.cpp, whose registers are not here. A unit of
 * flash that is not erased takes nothing. */
#include <fcntl.h>
#include <hardware/flash.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "Arduino.h"

void setup();
void loop();

static uint8_t *const FLASH = reinterpret_cast<uint8_t *>(0x10000000);
static const uint32_t FLASH_BYTES = 4 << 20, SECTOR = 4096, PAGE = 256;

RP2040 rp2040;
void RP2040::idleOtherCore() {}
void RP2040::resumeOtherCore() {}
void noInterrupts() {}
void interrupts() {}

void flash_range_erase(uint32_t offset, size_t count) {
  if (offset % SECTOR != 0 || count % SECTOR != 0 || offset + count > FLASH_BYTES) {
    std::abort();
  }
  std::memset(FLASH + offset, 0xff, count);
}

void flash_range_program(uint32_t offset, const uint8_t *data, size_t count) {
  if (offset % PAGE != 0 || count % PAGE != 0 || offset + count > FLASH_BYTES) {
    std::abort();
  }
  for (size_t i = 0; i < count; ++i) {
    FLASH[offset + i] = static_cast<uint8_t>(FLASH[offset + i] & data[i]);
  }
}

int main() {
  const int file = open(std::getenv("FLASH"), O_RDWR);
  const int rights = PROT_READ | PROT_WRITE | PROT_EXEC;
  if (mmap(FLASH, FLASH_BYTES, rights, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0) != FLASH) {
    return 2;
  }
  setup();
  for (;;) {
    loop();
  }
}
