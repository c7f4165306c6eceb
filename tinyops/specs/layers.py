"""The three kinds of architecture: a list of layers, a Python function, a finished .tflite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, PositiveInt

from tinyops.documents import Digest, Matching, Strict
from tinyops.specs.fields import Path_


class Dense(Strict):
    kind: Literal["dense"]
    units: PositiveInt
    activation: Literal["none", "relu"] = "none"


class Conv1D(Strict):
    kind: Literal["conv1d"]
    filters: PositiveInt
    kernel: PositiveInt
    stride: PositiveInt = 1
    padding: Literal["valid", "same"] = "same"
    activation: Literal["none", "relu"] = "relu"
    batch_norm: bool = False


class Conv2D(Strict):
    kind: Literal["conv2d"]
    filters: PositiveInt
    kernel: tuple[PositiveInt, PositiveInt]
    stride: tuple[PositiveInt, PositiveInt] = (1, 1)
    padding: Literal["valid", "same"] = "same"
    activation: Literal["none", "relu"] = "relu"
    batch_norm: bool = False


class DepthwiseConv2D(Strict):
    kind: Literal["depthwise_conv2d"]
    kernel: tuple[PositiveInt, PositiveInt]
    stride: tuple[PositiveInt, PositiveInt] = (1, 1)
    padding: Literal["valid", "same"] = "same"
    activation: Literal["none", "relu"] = "relu"
    batch_norm: bool = False


class MaxPool(Strict):
    kind: Literal["max_pool"]
    size: PositiveInt = Field(description="Window and stride, in time (1-D) or in both directions (2-D).")


class AveragePool(Strict):
    kind: Literal["average_pool"]
    size: PositiveInt


class GlobalAveragePool(Strict):
    kind: Literal["global_average_pool"]


class Flatten(Strict):
    kind: Literal["flatten"]


class Dropout(Strict):
    kind: Literal["dropout"]
    rate: Annotated[float, Field(ge=0, lt=1)]


Layer: TypeAlias = Annotated[
    Dense | Conv1D | Conv2D | DepthwiseConv2D | MaxPool | AveragePool | GlobalAveragePool | Flatten | Dropout,
    Field(discriminator="kind"),
]


class LayersArchitecture(Strict):
    """A list of layers; a dense layer with one unit a class and a softmax are added at the end."""

    kind: Literal["layers"]
    layers: tuple[Layer, ...] = Field(max_length=200)


class PythonArchitecture(Strict):
    """A function of yours: `build(input_shape, classes, **args)` returns a Keras model with softmax outputs."""

    kind: Literal["python"]
    entry: Annotated[str, Matching(r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$", "an entry reads path/to/file.py:function")]
    args: Mapping[str, Any] = {}


class TfliteArchitecture(Strict):
    """A finished, quantised .tflite: no training; it goes through every later step."""

    kind: Literal["tflite"]
    file: Path_
    sha256: Digest


Architecture: TypeAlias = Annotated[
    LayersArchitecture | PythonArchitecture | TfliteArchitecture, Field(discriminator="kind")
]
