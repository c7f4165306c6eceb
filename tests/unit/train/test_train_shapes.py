"""What a list of layers makes of its input, and which lists are refused before anything heavy loads."""

import subprocess
import sys
from typing import Any

import pytest

from tinyops.errors import SpecError
from tinyops.train.shapes import layer_facts


def conv1d(**more: Any) -> dict[str, Any]:
    layer = {"kind": "conv1d", "filters": 4, "kernel": 5, "stride": 1, "padding": "same", "batch_norm": False}
    return layer | more


def conv2d(**more: Any) -> dict[str, Any]:
    return conv1d(kind="conv2d", kernel=[3, 3], stride=[1, 1]) | more


GLOBAL = {"kind": "global_average_pool"}
FLATTEN = {"kind": "flatten"}


def test_shapes_and_parameters_of_a_stream() -> None:
    facts = layer_facts([conv1d(stride=2), {"kind": "max_pool", "size": 3}, GLOBAL], (41, 6), 5)
    assert [f.shape for f in facts] == [(21, 4), (7, 4), (4,), (5,)]
    assert [f.parameters for f in facts] == [4 * (6 * 5 + 1), 0, 0, 5 * (4 + 1)]
    assert [f.name for f in facts] == ["layer_1", "layer_2", "layer_3", "classes"]


def test_shapes_and_parameters_of_an_image() -> None:
    depthwise = {k: v for k, v in conv2d(kind="depthwise_conv2d", stride=[2, 1]).items() if k != "filters"}
    layers = [conv2d(padding="valid", batch_norm=True), depthwise, FLATTEN, {"kind": "dense", "units": 7}]
    facts = layer_facts(layers, (9, 8, 2), 3)
    assert [f.shape for f in facts] == [(7, 6, 4), (4, 6, 4), (96,), (7,), (3,)]
    assert [f.parameters for f in facts] == [4 * (2 * 9 + 2), 4 * (9 + 1), 0, 97 * 7, 8 * 3]


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([{"kind": "dense", "units": 4}], (40, 6), r"layers\[0\]: dense takes \[units\], here it gets \[40, 6\]"),
        ([conv2d()], (40, 6), r"layers\[0\]: conv2d takes \[height, width, channels\]"),
        ([FLATTEN, conv1d()], (40, 6), r"layers\[1\]: conv1d takes \[frames, channels\], here it gets \[240\]"),
        ([conv1d()], (40, 6), r"end with the shape \[40, 4\]"),
        ([conv1d(padding="valid", kernel=41), GLOBAL], (40, 6), "has nothing left to look at"),
        ([{"kind": "average_pool", "size": 9}, FLATTEN], (8, 8, 1), "has nothing left to look at"),
        ([FLATTEN, {"kind": "dense", "units": 10**6}], (40, 6), "parameters are more than"),
    ],
)
def test_lists_that_cannot_be_built_are_refused(
    layers: list[dict[str, Any]], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        layer_facts(layers, shape, 4)


@pytest.mark.parametrize("package", ["collect", "train", "squeeze"])
def test_importing_a_step_loads_nothing_heavy(package: str) -> None:
    heavy = "{'numpy', 'tensorflow', 'keras', 'ai_edge_litert', 'tflite_micro', 'pydantic'}"
    code = f"import sys, tinyops.{package}; assert not {heavy} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
