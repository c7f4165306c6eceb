"""Distillation: the network learns what a larger one takes each window for, beside what it is labelled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import SpecError
from tinyops.train.techniques.technique import Idle, Lesson

if TYPE_CHECKING:
    from tinyops.train.course import Course

TEMPERATURE = 4.0  # what logits are divided by: how much the order of unlikely classes counts
WEIGHT = 0.7  # of the teacher in the loss; the labels have the rest
LEAST = 1e-7  # of a probability whose logarithm is taken


class Distillation(Idle):
    """Targets are the labels and the teacher's probabilities side by side: [N, 2 * classes]."""

    field = "teacher"

    def teach(self, course: Course, lesson: Lesson, _wanted: Any, /) -> Course:
        from tinyops.train.teacher import Teaching, read_teacher
        from tinyops.train.techniques.distilled_loss import accuracy, distilled

        request = lesson.request
        if request["architecture"]["kind"] == "autoencoder":
            raise SpecError("squeeze.variants: an autoencoder has no classes that a teacher could know")
        classes = request["classes"]
        teaching = Teaching(read_teacher(lesson.teacher, classes), lesson)
        labels = np.eye(len(classes), dtype=np.float32)[lesson.windows.labels]
        said: dict[int, NDArray[np.float32]] = {}

        def targets(epoch: int, inputs: Any) -> Any:
            key = epoch if course.changes else 0
            if key not in said:
                said.clear()
                said[key] = np.hstack([labels, softened(teaching.outputs(epoch, inputs), TEMPERATURE)])
            return said[key]

        loss = distilled(TEMPERATURE, WEIGHT, float(request["training"].get("label_smoothing", 0.0)))
        return replace(course, targets=targets, loss=loss, metrics=(accuracy,))


def softened(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities [N, classes] as they would be of logits divided by the temperature.

    A softmax's logits are the logarithms of its outputs, but for what is the same for all classes; an output of zero
    counts as the least that a float32 softmax tells from it.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), LEAST)) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)
