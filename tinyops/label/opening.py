"""What a dataset needs to be labelled: the one index that people write, and its spec."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from tinyops.datasets.places import open_objects
from tinyops.datasets.recording import Leniency
from tinyops.errors import UsageError
from tinyops.label.admission import OnlyThisPage
from tinyops.label.session import Session
from tinyops.label.signals import Gallery
from tinyops.label.suggestions import ModelFiles, Suggestions
from tinyops.label.web import About, Labelling, label_app
from tinyops.specs.loader import Repository
from tinyops.specs.model import RecordingsSource

TOKEN_BYTES = 24


@dataclass(frozen=True)
class Opened:
    """The application, its address below the server's, and what goes on in it."""

    app: OnlyThisPage
    path: str
    session: Session
    suggestions: Suggestions


def open_labelling(repository: Repository, dataset: str, find: Callable[[], ModelFiles]) -> Opened:
    """Ready to be served. Raises UsageError for a dataset that nobody can label, SpecError for a wrong index."""
    if dataset not in repository.datasets:
        raise UsageError(f"no dataset {dataset!r}", hint=f"datasets: {', '.join(repository.datasets) or 'none'}")
    entry = repository.datasets[dataset]
    spec = entry.document.spec
    sources = [source for source in spec.sources if isinstance(source, RecordingsSource)]
    if len(sources) != 1:
        hint = "sources: [{kind: recordings, index: ../data/NAME.csv}] holds what people record and label"
        raise UsageError(f"{dataset}: has {len(sources) or 'no'} sources of kind recordings, wanted one", hint=hint)
    index = repository.resolve(entry, sources[0].index)
    source = sources[0]
    leniency = Leniency(adapt=frozenset(source.adapt), columns=source.columns)
    gallery = Gallery(open_objects(source, index, dataset), spec.signal, leniency)
    session = Session(index, gallery)
    line, column = entry.yaml.locate(("spec", "classes"))
    suggestions = Suggestions(find, spec, gallery)
    suggestions.start(lambda: session.state().entries)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    about = About(dataset, spec, f"{entry.file}:{line}:{column}")
    return Opened(label_app(Labelling(about, session, suggestions), token), f"/{token}/", session, suggestions)
