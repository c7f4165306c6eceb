"""Requests and answers held against GitHub's own OpenAPI description, where the machine has a copy of it."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
import referencing
import referencing.jsonschema

# What GitHub does and its description leaves out: the state of an upload that never ended.
ASSET_STATES = ["uploaded", "open", "starter"]
GENERAL_ERRORS = (401, 403, 404, 409, 422, 429, 500, 502, 503)


@dataclass(frozen=True)
class Exchange:
    """`place` is api or uploads; `path` is without what stands before /repos."""

    place: str
    method: str
    path: str
    content_type: str
    sent: bytes
    status: int
    headers: Mapping[str, str]
    answered: bytes


SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")) / "api"


def shared(name: str) -> Path:
    """A file of the data that is not part of the repository. Skips the test where there is none."""
    if not (SHARED / name).exists():
        pytest.skip(f"{name} is not in the shared data (TINYOPS_SHARED_DATA)")
    return SHARED / name


@functools.cache
def description() -> Description | None:
    """None where the machine has no copy."""
    path = SHARED / "github_rest_openapi_subset.json"
    return Description(json.loads(path.read_bytes())) if path.exists() else None


class Description:
    """The operations of the description, and what is wrong with an exchange."""

    def __init__(self, document: dict[str, Any]) -> None:
        _convert(document)
        document["components"]["schemas"]["release-asset"]["properties"]["state"]["enum"] = ASSET_STATES
        self._document = document
        resource = referencing.jsonschema.DRAFT4.create_resource(document)
        self._registry = referencing.Registry().with_resource("urn:api", resource)
        self._validators: dict[str, jsonschema.Draft4Validator] = {}
        self._paths = sorted(((_pattern(path), path) for path in document["paths"]), key=lambda p: p[1].count("{"))

    def problems(self, exchange: Exchange) -> list[str]:
        where = f"{exchange.method} {exchange.path} ({exchange.status})"
        parts = urlsplit(exchange.path)
        template = next((path for pattern, path in self._paths if pattern.fullmatch(parts.path)), None)
        operation = self._document["paths"].get(template, {}).get(exchange.method.lower())
        if operation is None:
            return [f"{where}: no such operation"]
        found = self._of_query(operation, parts.query) + self._of_request(operation, exchange)
        expected = "uploads" if "servers" in operation else "api"
        found += [] if exchange.place == expected else [f"sent to {exchange.place}, belongs to {expected}"]
        found += self._of_answer(operation, exchange)
        return [f"{where}: {problem}" for problem in found]

    def _of_query(self, operation: Any, query: str) -> list[str]:
        known = {}
        for parameter in operation.get("parameters", []):
            parameter = self._resolved(parameter)
            if parameter["in"] == "query":
                known[parameter["name"]] = parameter
        given = dict(parse_qsl(query, keep_blank_values=True))
        found = [f"unknown query parameter {name}" for name in given if name not in known]
        found += [f"query parameter {n} is missing" for n, p in known.items() if p.get("required") and n not in given]
        for name, value in given.items():
            if known.get(name, {}).get("schema", {}).get("type") == "integer" and not value.isdecimal():
                found.append(f"query parameter {name} is no number: {value}")
        if int(given.get("per_page", "1")) > 100:
            found.append("per_page is at most 100")
        return found

    def _of_request(self, operation: Any, exchange: Exchange) -> list[str]:
        body = self._resolved(operation.get("requestBody", {}))
        if not body:
            return [f"{len(exchange.sent)} bytes sent that nobody asked for"] if exchange.sent else []
        media = next(iter(body["content"]))
        if exchange.content_type.split(";")[0] != media:
            return [f"sent as {exchange.content_type}, wants {media}"]
        if media != "application/json":
            return []
        schema = self._resolved(body["content"][media]["schema"])
        value = json.loads(exchange.sent)
        unknown = set(value) - set(schema.get("properties", {}))
        return [f"unknown field {name}" for name in unknown] + self._validate(schema, value)

    def _of_answer(self, operation: Any, exchange: Exchange) -> list[str]:
        answers = operation["responses"]
        described = self._resolved(answers.get(str(exchange.status), {}))
        if not described and exchange.status not in GENERAL_ERRORS:
            return ["this status is not described"]
        if exchange.status == 302 and "Location" not in exchange.headers:
            return ["redirects nowhere"]
        content = described.get("content", {}).get("application/json")
        if content is None:
            return [] if exchange.status >= 300 or not exchange.answered else ["an answer where none is described"]
        return self._validate(content["schema"], json.loads(exchange.answered))

    def _validate(self, schema: Any, value: Any) -> list[str]:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            absolute = json.loads(key.replace('"#/', '"urn:api#/'))
            self._validators[key] = jsonschema.Draft4Validator(absolute, registry=self._registry)
        return [f"{error.json_path}: {error.message[:200]}" for error in self._validators[key].iter_errors(value)]

    def _resolved(self, value: Any) -> Any:
        while "$ref" in value:
            target = self._document
            for part in value["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            value = target
        return value


def _pattern(path: str) -> re.Pattern[str]:
    """`{ref}` and `{path}` may hold slashes."""
    text = re.sub(r"\\\{(\w+)\\\}", lambda m: ".+" if m.group(1) in ("ref", "path") else "[^/]+", re.escape(path))
    return re.compile(text)


def _convert(value: Any) -> None:
    """OpenAPI's `nullable` as JSON Schema has it, in place."""
    if isinstance(value, dict):
        if value.pop("nullable", False) is True:
            if "type" in value:
                value["type"] = [value["type"], "null"]
            if "enum" in value:
                value["enum"] = [*value["enum"], None]
            for name in ("allOf", "anyOf", "oneOf"):
                if name in value and "type" not in value:
                    value["anyOf"] = [{name: value.pop(name)}, {"type": "null"}]
        for item in value.values():
            _convert(item)
    elif isinstance(value, list):
        for item in value:
            _convert(item)
