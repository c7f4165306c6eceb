"""Weights of few values: the network learns on while its forward pass has them, and is exported with them.

`int4` are fifteen values evenly apart, `table` at most sixteen wherever weights lie. Everything else rounds as in
quantisation-aware training, which this is otherwise.
"""

from __future__ import annotations

from typing import Any

from tinyops.files import JsonObject
from tinyops.train.techniques.technique import Idle, Learnt, School, tuning_epochs, tuning_rate


class FewWeights(Idle):
    """Layers of few weights and depthwise ones keep theirs. Levels of a table are found anew before each epoch."""

    field = "weights"
    tunes = True

    def epochs(self, training: JsonObject, /) -> int:
        return tuning_epochs(training)

    def tune(self, learnt: Learnt, school: School, wanted: Any, /) -> Learnt:
        from tinyops.train.course import Budget, learn
        from tinyops.train.rounding.rounded import Calibrating, Fitting, rounded

        per = school.variant.get("per", "channel")
        both, windows = rounded(learnt.network, per, field=self.field, few=wanted), school.calibration()
        for layer in both.few:
            layer.cut_off()
            layer.fit()
        both.calibrate(windows)
        before = school.accuracy(both.rounding)
        budget = Budget(self.epochs(school.training), tuning_rate(school.training))
        callbacks = (Fitting(both.few), Calibrating(both, windows))
        learn(both.rounding, school.course, budget, school.diary, doing=wanted, held=learnt.held, callbacks=callbacks)
        values = {layer.name: layer.settle() for layer in both.few}
        both.calibrate(windows)
        facts: JsonObject = {
            "kind": wanted,
            "per": per,
            "values": values,
            "accuracy_rounded": [before, school.accuracy(both.rounding)],
        }
        return learnt.then(both.plain, self.field, facts)
