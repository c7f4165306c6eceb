"""A preview of features: which model's, of which recordings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tinyops.artifacts import Progress
from tinyops.build.steps import training_settings, window_settings
from tinyops.documents import closest
from tinyops.errors import UsageError
from tinyops.files import JsonObject
from tinyops.reconcile.collected import collected
from tinyops.specs.augment_rules import named_backgrounds
from tinyops.specs.loader import Repository
from tinyops.specs.lock import Lock
from tinyops.specs.model import Model

if TYPE_CHECKING:
    from tinyops.recordings import Recordings
    from tinyops.train.preview import About, Preview, Wanted


def previewed(
    repository: Repository,
    dataset: str,
    model: str | None,
    wanted: Wanted,
    lock: Lock | None,
    say: Callable[[str], None],
) -> tuple[Preview, About]:
    """What the features of a model make of a dataset; of one that no model uses, its samples as they are.

    Raises UsageError for names that there are not, and what reading the sources raises.
    """
    from tinyops.train.preview import About, make_preview

    if dataset not in repository.datasets:
        raise UsageError(f"there is no Dataset {dataset!r}", hint=closest(dataset, repository.datasets))

    def report(progress: Progress) -> None:
        if progress.done == 0:
            say(progress.message)

    recordings, described = collected(repository, dataset, lock, report)
    chosen = _model(repository, dataset, model)
    settings = _settings(repository, chosen, recordings)
    others = {}
    for name in {name for _, name in named_backgrounds(chosen.spec)} if chosen is not None else ():
        its, its_dataset = collected(repository, name, lock, report)
        others[name] = (its, its_dataset["classes"])
    preview = make_preview(recordings, described, settings, wanted, others)
    augment = settings["training"].get("augment", ())
    return preview, About(dataset, chosen.name if chosen is not None else "", described["signal"], augment)


def _model(repository: Repository, dataset: str, name: str | None) -> Model | None:
    using = {n: e.document for n, e in repository.models.items() if e.document.spec.dataset == dataset}
    if name is None:
        if len(using) > 1:
            raise UsageError(f"{len(using)} models use dataset {dataset}", hint=f"--model: {', '.join(using)}")
        return next(iter(using.values()), None)
    if name not in using:
        raise UsageError(f"no model {name!r} uses dataset {dataset}", hint=closest(name, using))
    return using[name]


def _settings(repository: Repository, model: Model | None, recordings: Recordings) -> JsonObject:
    """`input` and `training` as the train step has them; of no model, raw windows as long as the shortest recording."""
    if model is None:
        import numpy as np

        frames = int(np.diff(recordings.offsets).min())
        return {"input": {"features": "raw", "window_frames": frames, "hop_frames": frames}, "training": {}}
    given = window_settings(repository, model)
    if given["features"] == "tensor":
        raise UsageError(f"model {model.name} takes tensors: it has no features", hint="name another with --model")
    training = training_settings(model.spec.training) if model.spec.training is not None else {}
    return {"input": given, "training": training}
