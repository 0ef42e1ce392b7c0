"""Requests made up from the server's own description, right ones and wrong ones: none brings it down."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from masklet.server.problems import STATUS
from studio_kit import FRAMES, click, new_session, ok

ROUNDS = 5
"""Requests of each operation."""

WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**70,
    1e300,
    "",
    "x" * 5000,
    "\x00",
    "../..",
    [],
    [[]],
    {},
    {"a": [{}]},
)
METHODS = ("get", "post", "put", "patch", "delete")


class Maker:
    """Makes values that a schema allows, and sometimes others."""

    def __init__(self, schemas: dict[str, Any], seed: int) -> None:
        self._schemas = schemas
        self.luck = random.Random(seed)

    def value(self, schema: dict[str, Any]) -> Any:
        """A value of a schema; at every place one in twelve is wrong."""
        luck = self.luck
        if luck.random() < 1 / 12:
            return luck.choice(WRONG)
        if "$ref" in schema:
            return self.value(self._schemas[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            return self.value(luck.choice(schema["anyOf"]))
        if "enum" in schema or "const" in schema:
            return luck.choice(schema.get("enum") or [schema["const"]])
        return getattr(self, f"_{schema.get('type', 'null')}")(schema)

    def _null(self, _: dict[str, Any]) -> None:
        return None

    def _boolean(self, _: dict[str, Any]) -> bool:
        return self.luck.random() < 0.5

    def _integer(self, schema: dict[str, Any]) -> int:
        low = int(schema.get("minimum", 0))
        high = int(schema.get("maximum", 2**31))
        # Small numbers are frames and objects that are there.
        return self.luck.choice((low, high, self.luck.randint(low, min(high, low + 2 * FRAMES))))

    def _number(self, schema: dict[str, Any]) -> float:
        low, high = schema.get("minimum", 0.0), schema.get("maximum", 200.0)
        return self.luck.choice((low, high, self.luck.uniform(max(low, -10), min(high, 200))))

    def _string(self, schema: dict[str, Any]) -> str:
        if "pattern" in schema:
            return "#1e90ff"
        length = self.luck.randint(schema.get("minLength", 0), min(schema.get("maxLength", 8), 8))
        return "".join(self.luck.choice("aZ0 ä\n/\\%'\"<0") for _ in range(length))

    def _array(self, schema: dict[str, Any]) -> list[Any]:
        if "prefixItems" in schema:
            return [self.value(one) for one in schema["prefixItems"]]
        length = self.luck.randint(schema.get("minItems", 0), min(schema.get("maxItems", 3), 3))
        return [self.value(schema.get("items", {})) for _ in range(length)]

    def _object(self, schema: dict[str, Any]) -> dict[str, Any]:
        needed = schema.get("required", [])
        return {
            name: self.value(one)
            for name, one in schema.get("properties", {}).items()
            if name in needed or self.luck.random() < 0.5
        }


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_asked_gets_an_answer_that_was_described(serving, clip, photo, seed: int) -> None:
    with serving(sagemaker=True, token="t") as client:
        client.headers["authorization"] = "Bearer t"
        description = ok(client.get("/openapi.json"))
        maker = Maker(description["components"]["schemas"], seed)
        luck = maker.luck
        session = ""
        for path, method, operation in operations(description):
            for _ in range(ROUNDS):
                if client.get(f"/api/sessions/{session}").status_code != 200 or not session:
                    session = new_session(client, clip)
                    click(client, session, 0, (30, 30))
                known = {"session_id": session, "object_id": 1}
                known["video_id"] = ok(client.get(f"/api/sessions/{session}"))["video"]["id"]
                parameters = operation.get("parameters", [])
                places = {p["name"]: maker.value(p["schema"]) for p in parameters if p["in"] == "path"}
                places.update({k: v for k, v in known.items() if k in places and luck.random() < 0.8})
                query = {p["name"]: maker.value(p["schema"]) for p in parameters if p["in"] == "query"}
                query = {k: str(v) for k, v in query.items() if luck.random() < 0.6}
                if "video" in query and luck.random() < 0.8:
                    query["video"] = known["video_id"]
                kinds = operation.get("requestBody", {}).get("content", {})
                body: dict[str, Any] = {}
                if "application/json" in kinds:
                    body = {"json": maker.value(kinds["application/json"].get("schema", {"type": "object"}))}
                elif kinds:
                    body = {"content": luck.choice((clip, photo, b"", luck.randbytes(300)))}
                filled = path
                for name, value in places.items():
                    filled = filled.replace(f"{{{name}}}", quote(str(value)[:200], safe=""))
                answer = client.request(method, filled or "/", params=query, **body)
                told = (
                    f"{method} {filled} {query} {str(body)[:300]} → {answer.status_code} {answer.text[:300]}"
                )
                assert answer.status_code != 500, told
                if answer.status_code >= 400:
                    error = answer.json()["error"]
                    assert error["code"] in STATUS, told
                    assert error["message"].strip(), told
                    assert "\n" not in error["message"], told
                elif answer.status_code < 300:
                    described = {int(status) for status in operation["responses"] if status.isdecimal()}
                    assert answer.status_code in described | {200}, told
        assert ok(client.get("/healthz"))["status"] == "ok"
        assert click(client, new_session(client, clip), 3, (30, 30))["preview"]["area"] >= 0
