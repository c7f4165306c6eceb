"""GitHub's expressions, as far as workflows here use them. What is not known is an error, never empty."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(==|!=|&&|\|\||[!(),.\[\]]|'(?:[^']|'')*'|-?\d+|[A-Za-z_][\w-]*)")
_WHOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class Expression:
    """One expression over contexts and functions."""

    def __init__(self, text: str, contexts: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> None:
        self.tokens = _TOKEN.findall(text)
        assert "".join(self.tokens) == re.sub(r"\s+(?=(?:[^']*'[^']*')*[^']*$)", "", text), f"cannot read {text!r}"
        self.contexts, self.functions, self.at = contexts, functions, 0

    def value(self) -> Any:
        found = self._or()
        assert self.at == len(self.tokens), self.tokens[self.at :]
        return found

    def _next(self, *wanted: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at] in wanted:
            self.at += 1
            return True
        return False

    def _or(self) -> Any:
        left = self._and()
        while self._next("||"):
            right = self._and()
            left = left or right
        return left

    def _and(self) -> Any:
        left = self._equal()
        while self._next("&&"):
            right = self._equal()
            left = left and right
        return left

    def _equal(self) -> Any:
        left = self._unary()
        if self._next("=="):
            return left == self._unary()
        if self._next("!="):
            return left != self._unary()
        return left

    def _unary(self) -> Any:
        return not self._unary() if self._next("!") else self._primary()

    def _primary(self) -> Any:
        token = self.tokens[self.at]
        self.at += 1
        if token == "(":
            found = self._or()
            assert self._next(")")
            return found
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token.lstrip("-").isdigit():
            return int(token)
        if self._next("("):
            return self._call(token)
        found = self.contexts[token]
        while self._next("."):
            found = found[self.tokens[self.at]]
            self.at += 1
        return found

    def _call(self, name: str) -> Any:
        given = []
        while not self._next(")"):
            given.append(self._or())
            self._next(",")
        return self.functions[name](*given)


def evaluate(text: str, contexts: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Any:
    """A value of a workflow: text with expressions in it, or one expression."""
    whole = _WHOLE.fullmatch(text.strip())
    if whole:
        return Expression(whole.group(1).strip(), contexts, functions).value()
    return _WHOLE.sub(lambda m: _shown(Expression(m.group(1).strip(), contexts, functions).value()), text)


def condition(text: str, contexts: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> bool:
    """An `if:`, which needs no braces."""
    return bool(evaluate(text if "${{" in text else f"${{{{ {text} }}}}", contexts, functions))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)
