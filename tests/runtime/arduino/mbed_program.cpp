/* A rendered Arduino program for an nRF52840 as a process: its flash is the file that FLASH names,
 * where the chip has it. A unit of flash that is not erased takes nothing. */
#include <drivers/FlashIAP.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

void setup();
void loop();

static const uint32_t BEGIN = 0x10000, END = 0x100000, SECTOR = 4096,
                      UNIT = 4; /* behind its bootloader */

static uint8_t *at(uint32_t address, uint32_t size, uint32_t unit) {
  if (address < BEGIN || address > END || size > END - address || address % unit != 0 ||
      size % unit != 0) {
    std::abort();
  }
  return reinterpret_cast<uint8_t *>(static_cast<uintptr_t>(address));
}

int mbed::FlashIAP::init() { return 0; }
int mbed::FlashIAP::read(void *buffer, uint32_t address, uint32_t size) {
  std::memcpy(buffer, at(address, size, 1), size);
  return 0;
}
int mbed::FlashIAP::program(const void *buffer, uint32_t address, uint32_t size) {
  uint8_t *to = at(address, size, UNIT);
  for (uint32_t i = 0; i < size; ++i) {
    to[i] = static_cast<uint8_t>(to[i] & static_cast<const uint8_t *>(buffer)[i]);
  }
  return 0;
}
int mbed::FlashIAP::erase(uint32_t address, uint32_t size) {
  std::memset(at(address, size, SECTOR), 0xff, size);
  return 0;
}

int main() {
  const int file = open(std::getenv("FLASH"), O_RDWR);
  const int rights = PROT_READ | PROT_WRITE | PROT_EXEC;
  uint8_t *flash = reinterpret_cast<uint8_t *>(static_cast<uintptr_t>(BEGIN));
  if (mmap(flash, END - BEGIN, rights, MAP_SHARED | MAP_FIXED_NOREPLACE, file, BEGIN) != flash) {
    return 2;
  }
  setup();
  for (;;) {
    loop();
  }
}
