"""Features on every architecture: the rows of this machine, from the same sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fakes.platforms import PLATFORMS, STATIC, needs, run_program
from fakes.staged import staged
from tinyops.features import StagedFeatures
from tinyops.features.code import front_code, front_sources
from tinyops.features.host import extract_rows
from tinyops.features.stages import STATISTICS, Filter, LogMel, Mfcc, Spectrum, Statistics

pytestmark = pytest.mark.build
HIGH_PASS = Filter("high", 3, (300.0,))
MFCC = Mfcc(64, 32, 64, "hamming", 200.0, 7000.0, 8, coefficients=5)
# Small enough for all constants in the RAM of an ATmega2560.
SMALL = (
    staged(HIGH_PASS, MFCC),
    staged(Spectrum(30, 30, 32, high_hz=8000.0, scale="magnitude"), channels=2),
    staged(Filter("stop", 2, (900.0, 1500.0)), Statistics(40, 20, STATISTICS), channels=2),
)
LARGE = (staged(LogMel(480, 320, 512)), staged(Spectrum(1000, 500, 1024, high_hz=4000.0)))
PUBLIC = ("init", "push", "state", "scratch", "state_size", "scratch_size")


def samples_of(count: int) -> np.ndarray:
    """Noise of all sizes, silence, and both ends of 16 bits."""
    rng = np.random.default_rng(8)
    noise = rng.normal(0, np.geomspace(1, 30000, count // 2)).clip(-32768, 32767)
    return np.concatenate([noise, np.zeros(count // 4), rng.choice([-32768, 32767], count // 4)]).astype(np.int16)


def program(all_features: tuple[StagedFeatures, ...], samples: np.ndarray) -> dict[str, str]:
    """C files that push the samples through each front end and put out every row."""
    files, calls = {}, []
    values = ", ".join(map(str, samples.tolist()))
    text = f'#include "platform.h"\nstatic const int16_t samples[] = {{{values}}};\n'
    for number, features in enumerate(all_features):
        code = front_code(features)
        files |= {f"front{number}.h": code["frontend.h"]}
        own = code["frontend.c"].replace('"frontend.h"', f'"front{number}.h"')
        files |= {f"front{number}.inc": own.replace("TINYOPS_FRONTEND_H", f"FRONT{number}_H")}
        names = [*(f"tinyops_front_{name}" for name in PUBLIC), *STATIC.findall(own)]
        text += "#undef TINYOPS_FRONTEND_H\n" + "".join(f"#define {n} front{number}_{n}\n" for n in names)
        text += f'#include "front{number}.inc"\n' + RUN.replace("NUMBER", str(number))
        text = text.replace("CHANNELS", str(features.signal_channels))
        text += "".join(f"#undef {n}\n" for n in names)
        calls.append(f"  run{number}();\n")
    return files | {"main.c": text + f"int platform_run(void) {{\n{''.join(calls)}  return 0;\n}}\n"}


RUN = """
static void runNUMBER(void) {
  static tinyops_front_state state;
  static tinyops_front_scratch scratch;
  const int16_t *at = samples;
  int32_t left = (int32_t)(sizeof samples / sizeof *samples) / CHANNELS;
  tinyops_front_init(&state);
  while (left > 0) {
    if (tinyops_front_push(&state, &scratch, &at, &left)) {
      platform_put((const uint8_t *)scratch.row, sizeof scratch.row);
    }
  }
}
"""


@pytest.mark.parametrize("name", PLATFORMS)
def test_rows_are_the_same_everywhere(name: str, tmp_path: Path) -> None:
    platform = PLATFORMS[name]
    needs(platform)
    features = SMALL if platform.ram_bytes < 64 << 10 else (*SMALL, *LARGE)
    samples = samples_of(400 if platform.cpu == "avr" else 4000)
    wanted = b""
    for each in features:
        wanted += extract_rows(samples.reshape(-1, each.signal_channels), each, folder=tmp_path).tobytes()
    sources = sorted({source for each in features for source in front_sources(each)})
    assert run_program(platform, program(features, samples), sources) == wanted
    assert len(wanted) > 500, "every front end has made rows"
