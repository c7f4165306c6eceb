"""What users write, checked: one frozen Repository, or every problem of every file at once."""

from tinyops.specs.board_rules import transport_of
from tinyops.specs.loader import SPECS_FOLDER, Loaded, Repository, load_repository
from tinyops.specs.window import window

__all__ = ["SPECS_FOLDER", "Loaded", "Repository", "load_repository", "transport_of", "window"]
