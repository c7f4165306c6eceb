"""Architectures made narrower and shallower: which layers change, which go, and that what is left still fits."""

from __future__ import annotations

from typing import Any

import pytest

from tinyops.specs.entry_arguments import takes
from tinyops.specs.rewriting import PASSED, repeats, shallower, widened
from tinyops.train.shapes import layer_facts


def conv(filters: int, kernel: int = 3, stride: int = 1, padding: str = "same") -> dict[str, Any]:
    return {"kind": "conv2d", "filters": filters, "kernel": [kernel] * 2, "stride": [stride] * 2, "padding": padding}


def depthwise(stride: int = 1) -> dict[str, Any]:
    return {"kind": "depthwise_conv2d", "kernel": [3, 3], "stride": [stride] * 2, "padding": "same"}


def layers(*given: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "layers", "layers": list(given)}


POOL, FLAT, DROP = {"kind": "global_average_pool"}, {"kind": "flatten"}, {"kind": "dropout", "rate": 0.1}
SEPARABLE = layers(
    conv(8, stride=2),
    *(depthwise(2), conv(8, 1)),
    *(depthwise(), conv(8, 1)),
    *(depthwise(), conv(8, 1)),
    *(depthwise(), conv(8, 1)),
    POOL,
)


def test_width_scales_units_and_filters_alone() -> None:
    given = layers(conv(8), depthwise(), POOL, {"kind": "dense", "units": 5}, DROP)
    found = widened(given, 0.5)["layers"]
    assert [(layer.get("filters"), layer.get("units")) for layer in found] == [
        *((4, None), (None, None), (None, None), (None, 3), (None, None))
    ]
    assert given["layers"][0]["filters"] == 8  # what was given stays


def test_width_leaves_one_at_least() -> None:
    assert widened(layers(conv(2)), 0.05)["layers"][0]["filters"] == 1
    assert widened({"kind": "autoencoder", "units": [24, 6, 24]}, 0.25)["units"] == [6, 2, 6]


@pytest.mark.parametrize(("share", "left"), [(0.75, 2), (0.5, 1), (0.34, 1), (0.3, 0)])
def test_depth_takes_whole_blocks_from_the_end(share: float, left: int) -> None:
    """The block with the stride stays, and of the others that share, rounded down."""
    found = shallower(SEPARABLE, share)["layers"]
    assert found == [*SEPARABLE["layers"][: 3 + 2 * left], POOL]
    assert layer_facts(found, (16, 12, 1), 4)[-3].shape == layer_facts(SEPARABLE["layers"], (16, 12, 1), 4)[-3].shape


@pytest.mark.parametrize(
    "given",
    [
        layers(conv(8), conv(4), conv(8)),  # other widths
        layers(conv(8), conv(8, stride=2)),  # fewer positions
        layers(conv(8), conv(8, padding="valid")),
        layers(conv(8), depthwise(2), conv(8, 1)),  # a depthwise one that does not keep them
        layers(FLAT, {"kind": "dense", "units": 8}),  # what comes in is not known to be 8
        {"kind": "autoencoder", "units": [8, 2, 8]},
    ],
)
def test_what_no_layer_repeats_stays(given: dict[str, Any]) -> None:
    assert repeats(given) == [] and shallower(given, 0.1) == given


def test_dense_layers_and_codes_repeat_too() -> None:
    dense = {"kind": "dense", "units": 8}
    assert shallower(layers(FLAT, dense, DROP, dense), 0.5)["layers"] == [FLAT, dense, DROP]
    assert shallower({"kind": "autoencoder", "units": [8, 8, 2, 8, 8]}, 0.5)["units"] == [8, 8, 2, 8]
    assert repeats(layers(conv(8), FLAT, dense)) == []  # eight filters are not eight values


def test_functions_are_given_shares_by_name() -> None:
    mine = {"kind": "python", "entry": "build", "args": {"filters": 4}}
    assert shallower(widened(mine, 0.5), 0.75)[PASSED] == {"width": 0.5, "depth": 0.75} and PASSED not in mine


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def build(shape, classes, width=1.0): ...", True),
        ("def build(shape, classes, *, width): ...", True),
        ("def build(shape, classes, **args): ...", True),
        ("def build(shape, classes): ...", False),
        ("def other(width): ...\ndef build(shape): ...", False),
        ("def build(width): ...\ndef build(shape): ...", False),  # the later one is called
        ("@wrapped\ndef build(shape): ...", True),  # not known
        ("build = make()", True),
        ("def build(:", True),  # training names the line
        ("\0", True),
    ],
)
def test_arguments_are_read_and_nothing_is_run(source: str, expected: bool) -> None:
    assert takes(source.encode(), "build", "width") is expected
