"""The boards that fleets may name: their facts, from the catalogue and from the user's repository."""

from tinyops.boards.loader import catalog_folder, load_catalog
from tinyops.boards.model import Board

__all__ = ["Board", "catalog_folder", "load_catalog"]
