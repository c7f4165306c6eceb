#include "tinyops/kernels/softmax_real.h"

#include <string.h>

/* Nothing here divides: libgcc's division of real numbers cannot be part of an image on cores that
 * have none. */
#define LN_2_HIGH 0x1.62e42fefap-1 /* its last bits are 0: exact times an exponent */
#define LN_2_LOW 0x1.cf79abc9e3b39803p-40
#define LOG_2_E 1.4426950408889634
#define ROOT_2 1.4142135623730951

/* 1/1!, 1/2! ... 1/13! and 1/1, 1/3 ... 1/21. */
static const double factorials[13] = {1.0,
                                      1.0 / 2,
                                      1.0 / 6,
                                      1.0 / 24,
                                      1.0 / 120,
                                      1.0 / 720,
                                      1.0 / 5040,
                                      1.0 / 40320,
                                      1.0 / 362880,
                                      1.0 / 3628800,
                                      1.0 / 39916800,
                                      1.0 / 479001600,
                                      1.0 / 6227020800};
static const double odd[11] = {1.0,      1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9, 1.0 / 11,
                               1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21};

static double power_of_two(int32_t exponent) {
  const uint64_t bits = (uint64_t)(1023 + exponent) << 52;
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* A positive number as a mantissa in [1/sqrt(2), sqrt(2)) and an exponent. */
static double mantissa_of(double value, int32_t *exponent) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  *exponent = (int32_t)(bits >> 52) - 1023;
  const double mantissa = value * power_of_two(-*exponent);
  if (mantissa < ROOT_2) {
    return mantissa;
  }
  ++*exponent;
  return mantissa * 0.5;
}

/* 1 / value, value > 0, by Newton steps that square an error of at most 0.172. */
static double inverse(double value) {
  int32_t exponent;
  const double mantissa = mantissa_of(value, &exponent);
  double x = 2.0 - mantissa;
  for (int i = 0; i < 5; ++i) {
    x += x * (1.0 - mantissa * x);
  }
  return x * power_of_two(-exponent);
}

/* exp(x), x <= 0 or not a number: 2^n times a Taylor series of the rest, at most half of log 2. */
static float exponential(float x) {
  if (!(x > -104.0f)) {
    return x == x ? 0.0f : x;
  }
  const int32_t n = (int32_t)((double)x * LOG_2_E - 0.5);
  const double rest = ((double)x - n * LN_2_HIGH) - n * LN_2_LOW;
  double sum = 0.0;
  for (int k = 12; k >= 0; --k) {
    sum = sum * rest + factorials[k];
  }
  return (float)((1.0 + sum * rest) * power_of_two(n));
}

/* log(x), x > 0 and finite, or not a number: 2 artanh((m - 1) / (m + 1)) of the mantissa m. */
static float logarithm(float x) {
  if (!(x > 0.0f)) {
    return x;
  }
  int32_t exponent;
  const double mantissa = mantissa_of((double)x, &exponent);
  const double z = (mantissa - 1.0) * inverse(mantissa + 1.0);
  double sum = 0.0;
  for (int k = 10; k >= 0; --k) {
    sum = sum * (z * z) + odd[k];
  }
  return (float)(exponent * LN_2_HIGH + (2.0 * z * sum + exponent * LN_2_LOW));
}

static float largest_of(const float *row, int32_t depth) {
  float largest = -3.402823466e+38f;
  for (int32_t i = 0; i < depth; ++i) {
    largest = largest < row[i] ? row[i] : largest;
  }
  return largest;
}

void tinyops_softmax_real(const tinyops_softmax_real_params *p, const float *input, float *output) {
  for (int32_t row = 0; row < p->rows; ++row, input += p->depth, output += p->depth) {
    const float largest = largest_of(input, p->depth);
    float sum = 0.0f;
    for (int32_t i = 0; i < p->depth; ++i) {
      output[i] = exponential((input[i] - largest) * p->beta);
      sum += output[i];
    }
    /* A quotient of float32 is never so close to the middle of two that this rounds wrongly. */
    const double factor = sum > 0.0f ? inverse((double)sum) : (double)sum;
    for (int32_t i = 0; i < p->depth; ++i) {
      output[i] = (float)((double)output[i] * factor);
    }
  }
}

void tinyops_log_softmax_real(const tinyops_softmax_real_params *p, const float *input,
                              float *output) {
  for (int32_t row = 0; row < p->rows; ++row, input += p->depth, output += p->depth) {
    const float largest = largest_of(input, p->depth);
    float sum = 0.0f;
    for (int32_t i = 0; i < p->depth; ++i) {
      sum += exponential(input[i] - largest);
    }
    const float log_sum = logarithm(sum);
    for (int32_t i = 0; i < p->depth; ++i) {
      output[i] = input[i] - largest - log_sum;
    }
  }
}
