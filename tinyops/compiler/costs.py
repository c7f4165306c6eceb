"""What kernels cost, measured by benchmarks/bench_costs.py in QEMU (`-icount shift=0`), arm-none-eabi-gcc 12.2.1, -O2.

Cores are told apart as far as their kernels differ: those with the DSP extension, and Cortex-M0 and M0+. The others
run plain kernels only, whose costs relative to each other are much the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

V6M_CPUS = frozenset({"cortex-m0", "cortex-m0plus"})
COUNTED_CPUS = V6M_CPUS | {"cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33"}  # whose instructions these are

# Of a function that is not listed: for a call, for an element written, for an element read.
UNKNOWN = (100.0, 12.0, 6.0)
UNKNOWN_BYTES = 600


def core_of(cpu: str) -> str:
    """Which part of the tables a core is in."""
    return "v6m" if cpu in V6M_CPUS else "dsp"


# Instructions by function, for each of its counts (work.py).
INSTRUCTIONS: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "dsp": {
        "tinyops_conv_2d": (1660, 90.02, 18.11, 23.3, 3.058),
        "tinyops_conv_2d_packed": (350.2, 109.9, 50.97, 14.68, 45.76, 2.085, 3.603, 0),
        "tinyops_depthwise_conv_2d": (666.1, 107.2, 245.7, 202.7, 39.76, 14.87),
        "tinyops_depthwise_3x3": (0, 189.2, 53.99, 43.09, 45.45, 19.55, 3.301, 0),
        "tinyops_fully_connected": (63.25, 61.69, 2.994),
        "tinyops_fully_connected_packed": (117.6, 129.5, 21.15, 0),
        "tinyops_average_pool_2d": (126.6, 55.73, 40.77, 6.828),
        "tinyops_max_pool_2d": (126.9, 47.67, 34.3, 8.834),
        "tinyops_softmax": (0, 0, 316.2),
        "tinyops_add": (49.52, 90, 30.48),
        "tinyops_add_packed": (72, 7.4, 14.8),
        "tinyops_sub": (49.52, 90, 30.48),
        "tinyops_sub_packed": (56, 8.95, 17.9),
        "tinyops_mul": (41.4, 58.92, 27.94),
        "tinyops_mean": (93.19, 53.08, 5.955),
        "tinyops_pad": (0, 10.77, 14),
        "tinyops_lookup": (55.98, 4.501, 4.501),
    },
    "v6m": {},
}

# Bytes of a kernel's code and small constants, by its source. One copy serves all operators.
KERNEL_BYTES: Mapping[str, Mapping[str, int]] = {
    "dsp": {
        "kernels/add.c": 472,
        "kernels/add_packed.c": 680,
        "kernels/arg_extremes.c": 264,
        "kernels/batch_matmul.c": 332,
        "kernels/conv_2d.c": 1172,
        "kernels/conv_2d_lanes.c": 1540,
        "kernels/conv_2d_packed.c": 1980,
        "kernels/copy.c": 264,
        "kernels/depthwise_3x3.c": 1208,
        "kernels/depthwise_3x3_lanes.c": 1256,
        "kernels/depthwise_conv_2d.c": 1196,
        "kernels/dequantize.c": 44,
        "kernels/dequantize_real.c": 80,
        "kernels/div.c": 628,
        "kernels/extremes.c": 304,
        "kernels/fully_connected.c": 352,
        "kernels/fully_connected_packed.c": 1348,
        "kernels/l2_normalization.c": 560,
        "kernels/log_softmax.c": 1836,
        "kernels/lookup.c": 44,
        "kernels/lstm.c": 1796,
        "kernels/mean.c": 328,
        "kernels/move.c": 92,
        "kernels/mul.c": 328,
        "kernels/pad.c": 176,
        "kernels/pool_2d.c": 720,
        "kernels/prelu.c": 468,
        "kernels/quantize.c": 120,
        "kernels/quantize_real.c": 172,
        "kernels/reduce_extremes.c": 460,
        "kernels/requantize.c": 188,
        "kernels/requantize_int16.c": 152,
        "kernels/softmax.c": 1160,
        "kernels/squared_difference.c": 480,
        "kernels/sub.c": 476,
        "kernels/sub_packed.c": 740,
        "kernels/svdf.c": 1072,
    },
    "v6m": {},
}

# Bytes of stack of a kernel's two hungriest functions, by its source.
STACK_BYTES: Mapping[str, Mapping[str, int]] = {
    "dsp": {
        "kernels/add.c": 64,
        "kernels/add_packed.c": 96,
        "kernels/arg_extremes.c": 64,
        "kernels/batch_matmul.c": 72,
        "kernels/conv_2d.c": 152,
        "kernels/conv_2d_lanes.c": 376,
        "kernels/conv_2d_packed.c": 208,
        "kernels/copy.c": 72,
        "kernels/depthwise_3x3.c": 256,
        "kernels/depthwise_3x3_lanes.c": 328,
        "kernels/depthwise_conv_2d.c": 144,
        "kernels/dequantize.c": 12,
        "kernels/dequantize_real.c": 8,
        "kernels/div.c": 80,
        "kernels/extremes.c": 72,
        "kernels/fully_connected.c": 64,
        "kernels/fully_connected_packed.c": 128,
        "kernels/l2_normalization.c": 72,
        "kernels/log_softmax.c": 88,
        "kernels/lookup.c": 8,
        "kernels/lstm.c": 160,
        "kernels/mean.c": 72,
        "kernels/move.c": 20,
        "kernels/mul.c": 64,
        "kernels/pad.c": 24,
        "kernels/pool_2d.c": 120,
        "kernels/prelu.c": 64,
        "kernels/quantize.c": 28,
        "kernels/quantize_real.c": 16,
        "kernels/reduce_extremes.c": 128,
        "kernels/requantize.c": 28,
        "kernels/requantize_int16.c": 48,
        "kernels/softmax.c": 88,
        "kernels/squared_difference.c": 64,
        "kernels/sub.c": 64,
        "kernels/sub_packed.c": 104,
        "kernels/svdf.c": 152,
    },
    "v6m": {},
}
