"""Quantisation-aware training: the network learns on while its forward pass rounds as its int8 model will."""

from __future__ import annotations

from typing import Any

from tinyops.files import JsonObject
from tinyops.train.techniques.technique import Idle, Learnt, School, tuning_epochs, tuning_rate


class QuantisationAware(Idle):
    """Normalisation is folded into the weights first, so that the weights that are rounded are those that are
    exported. Ranges are found anew before each epoch, as calibration will find them: of the network without rounding,
    over recordings as they are."""

    field = "quantisation_aware"
    tunes = True

    def tune(self, learnt: Learnt, school: School, _wanted: Any, /) -> Learnt:
        from tinyops.train.course import Budget, learn
        from tinyops.train.rounding.rounded import Calibrating, rounded

        per, activations = school.variant.get("per", "channel"), school.variant.get("activations", "int8")
        budget = Budget(tuning_epochs(school.training), tuning_rate(school.training))
        both, windows = rounded(learnt.network, per, activations), school.calibration()
        both.calibrate(windows)
        before = school.accuracy(both.rounding)
        calibrating = (Calibrating(both, windows),)
        learn(both.rounding, school.course, budget, school.diary, doing="int8", held=learnt.held, callbacks=calibrating)
        both.calibrate(windows)
        facts: JsonObject = {"per": per, "accuracy_rounded": [before, school.accuracy(both.rounding)]}
        return learnt.then(both.plain, self.field, facts)
