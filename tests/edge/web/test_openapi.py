"""The interface and its document are one: every path is there, every answer is as announced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.routing import Route
from web_rig import Control, Rig, make_app, web_rig

from edge.web.keys import Keys
from edge.web.openapi import DOCUMENT


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with web_rig(tmp_path_factory.mktemp("openapi"), open_reads=False) as found:
        yield found


def test_every_path_of_the_interface_is_documented(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("routes")
    app = make_app(folder, Control(), Keys(folder / "keys"), open_reads=True)
    served = {
        (route.path, method.lower())
        for route in app.routes
        if isinstance(route, Route) and route.path.startswith("/api/v1/")
        for method in route.methods or ()
    } - {("/api/v1/openapi.json", "get")}
    documented = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert {pair for pair in served if pair[1] != "head"} == documented


def test_every_read_answers_as_the_document_says(rig: Rig) -> None:
    with rig.logged_in() as (client, _):
        for path, methods in DOCUMENT["paths"].items():
            if "get" in methods:
                answer = client.get(path)
                assert (path, answer.status_code) == (path, 200)
                assert isinstance(answer.json(), dict)
        assert client.get("/api/v1/openapi.json").json() == DOCUMENT


@pytest.mark.training
@pytest.mark.filterwarnings("default")
def test_schemathesis_finds_no_answer_that_is_not_announced(rig: Rig) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.specs.openapi.checks import (
        ignored_auth,  # it takes away logins that it knows, and ours it does not
    )

    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.update(base_url=rig.url.rstrip("/"))
    asked: list[str] = []
    with rig.logged_in() as (client, csrf):
        headers = {"x-csrf-token": csrf, "cookie": f"pems_session={client.cookies['pems_session']}"}
        for operation in schema.get_all_operations():
            if operation.ok().path == "/api/v1/login":  # its rate limit is what most of its answers would be
                continue

            @given(case=operation.ok().as_strategy())
            @settings(max_examples=8, deadline=None, database=None, phases=[Phase.generate],
                      suppress_health_check=list(HealthCheck))  # fmt: skip
            def answers(case: object) -> None:
                asked.append(case.path)  # type: ignore[attr-defined]
                case.call_and_validate(headers=headers, excluded_checks=[ignored_auth])  # type: ignore[attr-defined]

            answers()
    assert len(set(asked)) == len(DOCUMENT["paths"]) - 1
