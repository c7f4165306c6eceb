"""GitHub's discussions, opened: the token by its usual names, waits shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.errors import ToolError
from tinyops.reconcile.opening import DEFAULT_TOKENS, first_token
from tinyops.release.github.patience import Patience, Say
from tinyops.release.github.place import Place

if TYPE_CHECKING:
    from tinyops.release.github.issues import Discussions


def open_discussions(place: Place, root: Path, say: Say) -> Discussions:
    """Raises ToolError without the packages or without a token, naming the ways to give one."""
    try:
        from tinyops.release.github.issues import Discussions
        from tinyops.release.github.store import token_text
    except ModuleNotFoundError as error:
        raise ToolError(f"GitHub needs {error.name}", hint="pip install 'tinyops[github]'") from error
    token = first_token(DEFAULT_TOKENS, root)
    if token is not None:
        return Discussions(place, token_text(token), token.origin, Patience(say=say))
    raise ToolError(
        f"nothing is written on {place} without a token",
        hint=f"set {DEFAULT_TOKENS[0]}; in a workflow: env: {{GITHUB_TOKEN: ${{{{ github.token }}}}}}",
    )
