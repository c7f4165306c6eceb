"""Observe the world, plan its difference to the specs, apply it: the only place where these meet."""

from tinyops.reconcile.apply import Applied, apply, preview
from tinyops.reconcile.world import World, observe, plan_of

__all__ = ["Applied", "World", "apply", "observe", "plan_of", "preview"]
