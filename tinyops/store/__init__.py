"""The artifact store: what steps made, here and behind a URL; whose records are taken; what is dropped."""

from tinyops.store.folder import Folder
from tinyops.store.records import Notary
from tinyops.store.runs import Run, in_ci, this_run
from tinyops.store.shared import Shared
from tinyops.store.store import Store, take_outputs

__all__ = ["Folder", "Notary", "Run", "Shared", "Store", "in_ci", "take_outputs", "this_run"]
