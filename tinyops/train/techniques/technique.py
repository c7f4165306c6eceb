"""What a technique is. It may act at three times, and does nothing at the others.

1. `rewrite`: the architecture as the spec says it, before a network is built of it;
2. `teach`: the course, before anything is learnt (distillation changes targets and loss; tuning keeps them);
3. `tune`: the network that has learnt, and then learns on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tinyops.files import JsonObject

if TYPE_CHECKING:
    from tinyops.train.course import Course, Diary

TUNING_SHARE = 3  # of the epochs: a third of them, at
TUNING_SLOWER = 10  # a tenth of the rate


@dataclass(frozen=True)
class Lesson:
    """What a technique is told when the course is made: the step's request, and files of the teacher by their names.

    `windows` of the recordings are those that are learnt from: of the training side, in the course's order, seen
    through `features`.
    """

    request: JsonObject
    recordings: Any
    windows: Any
    features: Any
    teacher: Mapping[str, Path]


@dataclass(frozen=True)
class Learnt:
    """A network that has learnt. `held` are masks, by layer, of weights that must stay zero; `facts` by technique."""

    network: Any
    held: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, JsonObject] = field(default_factory=dict)

    def then(self, network: Any, technique: str, facts: JsonObject, held: Mapping[str, Any] | None = None) -> Learnt:
        """What a technique made of it."""
        return Learnt(network, self.held if held is None else held, {**self.facts, technique: facts})


@dataclass(frozen=True)
class School:
    """How a technique goes on learning: the course, the training's settings, the whole variant, and how far all is.

    `accuracy` of a network is on the test side, for the record alone: nothing is decided by it. None where a network
    by itself judges nothing. `calibration` gives inputs of the training side as recorded, for ranges of int8.
    """

    course: Course
    training: JsonObject
    variant: JsonObject
    diary: Diary
    accuracy: Callable[[Any], float | None]
    calibration: Callable[[], Any]


class Technique(Protocol):
    """One field of a variant, which calls for it when it is not as in the plain one; `wanted` is its value."""

    field: str
    tunes: bool  # whether it learns on

    def epochs(self, training: JsonObject, /) -> int:
        """For how many epochs it learns on; none where it does not."""
        ...

    def rewrite(self, architecture: JsonObject, wanted: Any, /) -> JsonObject:
        """The architecture, made smaller. Raises SpecError where that cannot be."""
        ...

    def teach(self, course: Course, lesson: Lesson, wanted: Any, /) -> Course:
        """The course, with other targets or another loss."""
        ...

    def tune(self, learnt: Learnt, school: School, wanted: Any, /) -> Learnt:
        """The network changed and fitted again; what was done is in its facts under the technique's field."""
        ...


class Idle:
    """Does nothing at any time: techniques override what they do."""

    tunes = False

    def epochs(self, training: JsonObject, /) -> int:
        return tuning_epochs(training) if self.tunes else 0

    def rewrite(self, architecture: JsonObject, _wanted: Any, /) -> JsonObject:
        return architecture

    def teach(self, course: Course, _lesson: Lesson, _wanted: Any, /) -> Course:
        return course

    def tune(self, learnt: Learnt, _school: School, _wanted: Any, /) -> Learnt:
        return learnt


def tuning_epochs(training: JsonObject) -> int:
    """Epochs of one tuning, for a network that stays much as it is."""
    return max(1, -(-int(training["epochs"]) // TUNING_SHARE))


def tuning_rate(training: JsonObject) -> float:
    """For a network that stays as it is: what was cut learns on at the rate of training itself."""
    return float(training["learning_rate"]) / TUNING_SLOWER
