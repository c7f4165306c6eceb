"""Structured pruning: the filters and units that count for least go from every hidden layer, and the rest learns on.

What counts is the L1 norm of a channel's weights, times the scale that batch normalisation gives it. The same share
goes from each layer, so that RAM falls as well as flash. What is left is another network, which learns on for as
many epochs as training took, from the same rate (docs/decisions/0096).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinyops.files import JsonObject
from tinyops.train.techniques.technique import Idle, Learnt, School

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PruneChannels(Idle):
    field = "prune_channels"
    tunes = True

    def epochs(self, training: JsonObject, /) -> int:
        return int(training["epochs"])

    def tune(self, learnt: Learnt, school: School, wanted: Any, /) -> Learnt:
        from tinyops.train.course import Budget, learn
        from tinyops.train.techniques.chains import CHOOSING, chain_of, without

        chain = chain_of(learnt.network, self.field)
        hidden = [place for place, layer in enumerate(chain) if isinstance(layer, CHOOSING)][:-1]
        kept = {chain[place].name: least_removed(importance(chain, place), float(wanted)) for place in hidden}
        smaller = without(learnt.network, chain, kept)
        accuracy = [school.accuracy(learnt.network), school.accuracy(smaller)]
        learn(
            smaller,
            school.course,
            Budget(self.epochs(school.training), float(school.training["learning_rate"])),
            school.diary,
            doing="pruned channels",
        )
        facts: JsonObject = {
            "channels": {layer.name: [_channels(layer), len(kept[layer.name])] for layer in (chain[p] for p in hidden)},
            "parameters": [_parameters(learnt.network), _parameters(smaller)],
            "accuracy_float": [*accuracy, school.accuracy(smaller)],
        }
        return learnt.then(smaller, self.field, facts)


def importance(chain: list[Any], place: int) -> NDArray[Any]:
    """What each channel of a layer counts for [channels]."""
    import numpy as np
    from keras import layers

    kernel = np.abs(chain[place].get_weights()[0])
    found = kernel.reshape(-1, kernel.shape[-1]).sum(axis=0)
    follows = chain[place + 1]
    if isinstance(follows, layers.BatchNormalization):
        scale = np.asarray(follows.gamma) if follows.scale else 1.0
        found = found * np.abs(scale) / np.sqrt(np.asarray(follows.moving_variance) + follows.epsilon)
    return np.asarray(found)


def least_removed(found: NDArray[Any], share: float) -> NDArray[Any]:
    """The channels that are kept, in their order: all but that share, rounded down, of the least important ones."""
    import numpy as np

    gone = min(int(len(found) * share + 1e-9), len(found) - 1)
    return np.sort(np.argsort(found, kind="stable")[gone:])


def _channels(layer: Any) -> int:
    return int(layer.get_weights()[0].shape[-1])


def _parameters(network: Any) -> int:
    return sum(math.prod(w.shape) for w in network.trainable_weights)
