"""Magnitude pruning: while the network learns on, the smallest weights of every kernel become zero and stay so.

The share of zeros rises with the cube of the time that is left, as in Zhu and Gupta (2017), and is reached after two
thirds of the tuning: the last third learns with the final zeros. The rate begins where training's did, as where
channels went. A zero stays one in int8: weights have no zero point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinyops.errors import SpecError
from tinyops.files import JsonObject
from tinyops.train.techniques.technique import Idle, Learnt, School

if TYPE_CHECKING:
    from numpy.typing import NDArray

RISING = 2 / 3  # of the tuning's epochs


class PruneWeights(Idle):
    field = "prune_weights"
    tunes = True

    def tune(self, learnt: Learnt, school: School, wanted: Any, /) -> Learnt:
        from keras.callbacks import LambdaCallback

        from tinyops.train.course import Budget, hold, learn

        network, share = learnt.network, float(wanted)
        names = kernels_of(network)
        budget = Budget(self.epochs(school.training), float(school.training["learning_rate"]))
        accuracy = [school.accuracy(network)]
        held = dict(learnt.held)

        first = school.diary.done

        def before_epoch(epoch: int, _logs: Any = None) -> None:
            """Masks only grow: what is zero already has the least magnitude."""
            now = share_at(epoch - first, budget.epochs, share)
            held.update({name: mask_of(network.get_layer(name).kernel.numpy(), now) for name in names})
            hold(network, held)

        growing = (LambdaCallback(on_epoch_begin=before_epoch),)
        learn(network, school.course, budget, school.diary, doing="pruned weights", held=held, callbacks=growing)
        zeros, weights = (sum(counts) for counts in zip(*(_zeros(network, n) for n in names), strict=True))
        facts: JsonObject = {
            "weights": weights,
            "zeros": zeros,
            "accuracy_float": [*accuracy, school.accuracy(network)],
        }
        return learnt.then(network, self.field, facts, held)


def kernels_of(network: Any) -> list[str]:
    """Layers that have a kernel. Raises SpecError for a model in the model, whose layers have no names here."""
    from keras import Model

    inner = [layer.name for layer in network.layers if isinstance(layer, Model)]
    if inner:
        raise SpecError(
            f"prune_weights: layer {inner[0]} is a model of its own",
            hint="build the model of plain layers, or leave prune_weights out",
        )
    return [layer.name for layer in network.layers if hasattr(layer, "kernel")]


def share_at(epoch: int, epochs: int, share: float) -> float:
    """The share of zeros in an epoch of the tuning, counted from 0."""
    rising = max(1, int(epochs * RISING))
    return share * (1 - (1 - min((epoch + 1) / rising, 1.0)) ** 3)


def mask_of(kernel: NDArray[Any], share: float) -> NDArray[Any]:
    """One for what stays, zero for that share, rounded down, of the smallest magnitudes."""
    import numpy as np

    mask = np.ones(kernel.size, np.float32)
    mask[np.argsort(np.abs(kernel).ravel(), kind="stable")[: int(kernel.size * share + 1e-9)]] = 0
    return mask.reshape(kernel.shape)


def _zeros(network: Any, name: str) -> tuple[int, int]:
    kernel = network.get_layer(name).kernel.numpy()
    return int((kernel == 0).sum()), int(kernel.size)
