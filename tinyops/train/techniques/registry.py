"""Every technique, in the order in which they act; light to import: Keras loads when one tunes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinyops.files import JsonObject
from tinyops.train.techniques.depth import Depth
from tinyops.train.techniques.distillation import Distillation
from tinyops.train.techniques.few_weights import FewWeights
from tinyops.train.techniques.prune_channels import PruneChannels
from tinyops.train.techniques.prune_weights import PruneWeights
from tinyops.train.techniques.quantisation import QuantisationAware
from tinyops.train.techniques.technique import Technique
from tinyops.train.techniques.width import Width

TECHNIQUES: tuple[Technique, ...] = (
    Width(),
    Depth(),
    Distillation(),
    PruneChannels(),
    PruneWeights(),
    QuantisationAware(),
    FewWeights(),
)


def wanted_by(variant: JsonObject) -> Iterator[tuple[Technique, Any]]:
    """The techniques that a variant's settings call for, each with its value, in order."""
    for technique in TECHNIQUES:
        if technique.field in variant:
            yield technique, variant[technique.field]


def rewritten(architecture: JsonObject, variant: JsonObject) -> JsonObject:
    """The architecture of a variant. Raises SpecError where it cannot be made."""
    for technique, value in wanted_by(variant):
        architecture = technique.rewrite(architecture, value)
    return architecture


def all_epochs(training: JsonObject, variant: JsonObject) -> int:
    """Epochs of training and of every tuning after it."""
    return int(training["epochs"]) + sum(technique.epochs(training) for technique, _ in wanted_by(variant))
