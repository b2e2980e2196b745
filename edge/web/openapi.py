"""The OpenAPI document of /api/v1; a test asks every path of it, another that none is missing."""

from __future__ import annotations

from typing import Any

from edge import __version__

_OBJECT: dict[str, Any] = {"type": "object"}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_DURATION = {"type": "number", "minimum": 60, "maximum": 86_400}
_POWER = {"type": "number", "minimum": 1, "maximum": 1_000_000}


def _wish(modes: list[str], power: dict[str, Any], required: list[str]) -> dict[str, Any]:
    properties = {"mode": {"enum": modes}, "power_w": power, "duration_s": _DURATION}
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


_OVERRIDE_WISH = {
    "oneOf": [
        _wish(["charge", "discharge"], _POWER, ["mode", "power_w", "duration_s"]),
        _wish(["hold", "native"], {"type": "null"}, ["mode", "duration_s"]),
    ]
}
_OVERRIDE = {
    "type": "object",
    "required": ["mode", "battery_w", "since_s", "until_s"],
    "properties": {
        "mode": {"type": "string"},
        "battery_w": {"type": ["number", "null"]},
        "since_s": {"type": "number"},
        "until_s": {"type": "number"},
    },
}
_LOGIN = {"type": "object", "required": ["password"], "properties": {"password": {"type": "string"}}}


def _json(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _refused(*codes: int) -> dict[str, Any]:
    words = {
        400: "not JSON", 401: "not logged in", 403: "not from a page of this box", 404: "there is none yet",
        408: "too slow", 409: "no password is set", 413: "too large", 415: "not application/json",
        422: "refused, with the reason", 429: "too many tries", 503: "control or the store does not answer",
    }  # fmt: skip
    return {str(code): _json(words[code], _ERROR) for code in codes}


def _read(words: str, *codes: int, parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    answers = {"200": _json(words, _OBJECT), **_refused(401, 503, *codes)}
    return {"get": {"summary": words, "parameters": parameters or [], "responses": answers, "security": _READERS}}


_READERS: list[dict[str, list[str]]] = [{"session": []}, {"token": []}]
_WRITERS: list[dict[str, list[str]]] = [{"session": [], "csrf": []}]
_LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}}
_KIND = {"name": "kind", "in": "query", "schema": {"type": "string"}}
_WRITE_CODES = (400, 401, 403, 408, 413, 415, 422, 503)

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "PEMS Edge",
        "version": __version__,
        "description": "What the box sees, intends and has done. Powers in W, positive into the house bus; "
        "times in Unix seconds UTC; null is missing, never 0.",
    },
    "paths": {
        "/api/v1/status": _read("Control's status: house, command, plan, readings, alarms, override"),
        "/api/v1/plan": _read("The plan that control holds", 404),
        "/api/v1/log": _read("What happened, newest first", 422, parameters=[_LIMIT, _KIND]),
        "/api/v1/savings": _read("What the last days cost, without battery, by rules, with perfect foresight, and why"),
        "/api/v1/models": _read("The models in force, stages, coverage, skill and drift"),
        "/api/v1/quality": _read("Scores and flags of the recorded signals"),
        "/api/v1/wear": _read("Written registers: counts and years left"),
        "/api/v1/links": _read("Links and their last commissioning"),
        "/api/v1/settings": _read("The site file without its secrets"),
        "/api/v1/yesterday": _read("The last 24 h, planned and measured"),
        "/api/v1/charts/plan": _read("The plan in columns for a chart", 404),
        "/api/v1/charts/yesterday": _read("The last 24 h in columns for a chart"),
        "/api/v1/override": {
            "put": {
                "summary": "Take the battery by hand; the guard keeps the last word",
                "security": _WRITERS,
                "requestBody": {"required": True, "content": {"application/json": {"schema": _OVERRIDE_WISH}}},
                "responses": {"200": _json("what control holds now", _OVERRIDE), **_refused(*_WRITE_CODES)},
            },
            "delete": {
                "summary": "Let go of the battery",
                "security": _WRITERS,
                "responses": {"200": _json("whether there was one", _OBJECT), **_refused(401, 403, 503)},
            },
        },
        "/api/v1/login": {
            "post": {
                "summary": "The password in, the session's cookie and CSRF token out",
                "requestBody": {"required": True, "content": {"application/json": {"schema": _LOGIN}}},
                "responses": {
                    "200": _json("logged in", {"type": "object", "required": ["csrf"]}),
                    **_refused(400, 401, 403, 408, 409, 413, 415, 422, 429),
                },
            }
        },
    },
    "components": {
        "securitySchemes": {
            "session": {"type": "apiKey", "in": "cookie", "name": "pems_session"},
            "csrf": {"type": "apiKey", "in": "header", "name": "x-csrf-token"},
            "token": {"type": "http", "scheme": "bearer"},
        }
    },
}
