"""The three kinds of architecture: a list of layers, a Python function, a finished .tflite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, PositiveInt

from tinyops.documents import Digest, Matching, Strict
from tinyops.specs.fields import Path_


class Dense(Strict):
    """Takes one dimension: flatten or pool before it."""

    kind: Literal["dense"]
    units: PositiveInt = Field(description="Outputs.")
    activation: Literal["none", "relu"] = "none"


class Conv1D(Strict):
    """Convolution in time, over `[frames, channels]`."""

    kind: Literal["conv1d"]
    filters: PositiveInt = Field(description="Output channels.")
    kernel: PositiveInt = Field(description="Frames that a filter sees.")
    stride: PositiveInt = Field(default=1, description="Frames from one output to the next.")
    padding: Literal["valid", "same"] = "same"
    activation: Literal["none", "relu"] = "relu"
    batch_norm: bool = Field(default=False, description="Before the activation; costs nothing on the device.")


class Conv2D(Strict):
    """Convolution over `[height, width, channels]`."""

    kind: Literal["conv2d"]
    filters: PositiveInt = Field(description="Output channels.")
    kernel: tuple[PositiveInt, PositiveInt] = Field(description="Height and width.")
    stride: tuple[PositiveInt, PositiveInt] = Field(default=(1, 1), description="Down and across.")
    padding: Literal["valid", "same"] = "same"
    activation: Literal["none", "relu"] = "relu"
    batch_norm: bool = Field(default=False, description="Before the activation; costs nothing on the device.")


class DepthwiseConv2D(Strict):
    """One filter a channel, over `[height, width, channels]`."""

    kind: Literal["depthwise_conv2d"]
    kernel: tuple[PositiveInt, PositiveInt] = Field(description="Height and width.")
    stride: tuple[PositiveInt, PositiveInt] = Field(default=(1, 1), description="Down and across.")
    padding: Literal["valid", "same"] = "same"
    activation: Literal["none", "relu"] = "relu"
    batch_norm: bool = Field(default=False, description="Before the activation; costs nothing on the device.")


class MaxPool(Strict):
    kind: Literal["max_pool"]
    size: PositiveInt = Field(description="Window and stride, in time (1-D) or in both directions (2-D).")


class AveragePool(Strict):
    kind: Literal["average_pool"]
    size: PositiveInt = Field(description="Window and stride, in time (1-D) or in both directions (2-D).")


class GlobalAveragePool(Strict):
    """The mean of each channel."""

    kind: Literal["global_average_pool"]


class Flatten(Strict):
    """All values in one dimension."""

    kind: Literal["flatten"]


class Dropout(Strict):
    """Acts in training only."""

    kind: Literal["dropout"]
    rate: Annotated[float, Field(ge=0, lt=1)] = Field(description="Share of values that are left out.")


Layer: TypeAlias = Annotated[
    Dense | Conv1D | Conv2D | DepthwiseConv2D | MaxPool | AveragePool | GlobalAveragePool | Flatten | Dropout,
    Field(discriminator="kind"),
]


class LayersArchitecture(Strict):
    """A list of layers; a dense layer with one unit a class and a softmax are added at the end."""

    kind: Literal["layers"]
    layers: tuple[Layer, ...] = Field(max_length=200)


class AutoencoderArchitecture(Strict):
    """Learns what is normal, and calls abnormal what it cannot rebuild: for datasets whose task is anomaly."""

    kind: Literal["autoencoder"]
    units: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        min_length=1,
        max_length=20,
        description="Of the dense layers between the window and its copy; the least is the code.",
    )
    false_alarms: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        default=0.02,
        description="Share of normal windows above the threshold, among training recordings that were held out.",
    )


class PythonArchitecture(Strict):
    """A function of yours: `build(input_shape, classes, **args)` returns a Keras model with softmax outputs."""

    kind: Literal["python"]
    entry: Annotated[
        str, Matching(r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$", "an entry reads path/to/file.py:function")
    ] = Field(description="`path/to/file.py:function`; the file stands alone, and its digest is part of the key.")
    args: Mapping[str, Any] = Field(default={}, description="Passed to the function by name.")


class TfliteArchitecture(Strict):
    """A finished, quantised .tflite: no training; it goes through every later step."""

    kind: Literal["tflite"]
    file: Path_ = Field(description="The .tflite: full int8, one input, one output, a batch of 1.")
    sha256: Digest = Field(description="Digest of the file.")


Architecture: TypeAlias = Annotated[
    LayersArchitecture | AutoencoderArchitecture | PythonArchitecture | TfliteArchitecture, Field(discriminator="kind")
]
