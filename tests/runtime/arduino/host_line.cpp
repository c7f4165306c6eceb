/* What every core has, for a program that runs as a process: the serial line is standard input and
 * output, that on pins the file that SERIAL1 is the number of, time is this machine's, pins are
 * nobody's. */
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "Arduino.h"

static int numbered(const char *name) {
  const char *number = std::getenv(name);
  return number != 0 ? std::atoi(number) : -1;
}

SerialLine Serial = {0, 1}, Serial1 = {numbered("SERIAL1"), numbered("SERIAL1")};
void SerialLine::begin(unsigned long) {}
void SerialLine::flush() {}
int SerialLine::available() {
  pollfd line = {in, POLLIN, 0};
  return poll(&line, 1, 0) > 0 && (line.revents & POLLIN) != 0;
}
int SerialLine::read() {
  uint8_t byte = 0;
  return ::read(in, &byte, 1) == 1 ? byte : -1;
}
size_t SerialLine::write(const uint8_t *bytes, size_t count) {
  const ssize_t sent = ::write(out, bytes, count);
  return sent > 0 ? static_cast<size_t>(sent) : 0;
}

unsigned long millis() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<unsigned long>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}
void delay(unsigned long milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}
void pinMode(int, int) {}
void digitalWrite(int, int) {}
