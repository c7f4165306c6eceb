"""The difference between what the specs want and what was released, as data.

`diff` makes a `Plan` of typed changes with reasons; `render` prints it. Nothing here reads a file,
a clock or a network.
"""

from tinyops.plan.changes import Action, Bound, Change, Plan, Reason
from tinyops.plan.diff import NO_WISH, Released, Wish, make_plan

__all__ = ["NO_WISH", "Action", "Bound", "Change", "Plan", "Reason", "Released", "Wish", "make_plan"]
