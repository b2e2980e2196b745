"""Who may come in: wrong passwords, forged sessions, foreign pages, and bodies that do not end."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from web_rig import PASSWORD, Control, Rig, make_app, web_rig

from edge.errors import ConfigError, StoreError
from edge.web import serving
from edge.web.desk import COOKIE
from edge.web.door import Sessions, Tries
from edge.web.keys import Keys
from edge.web.looks import PAGES
from edge.web.serving import who_goes
from edge.web.shield import host_of

WISH = {"mode": "charge", "power_w": 1000, "duration_s": 600}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with web_rig(tmp_path_factory.mktemp("login"), open_reads=False) as rig:
        yield rig


@pytest.fixture
def rig(server: Rig) -> Rig:
    server.control.told.clear()
    return server


def form(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data=fields, headers={"sec-fetch-site": "same-origin"})


@pytest.mark.parametrize("path", [path for path, _ in PAGES])
def test_a_stranger_is_led_to_the_login(rig: Rig, path: str) -> None:
    with rig.client() as client:
        answer = client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={path}")


@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/settings", "/metrics", "/live/now", "/plan.svg"])
def test_a_strange_program_gets_nothing(rig: Rig, path: str) -> None:
    with rig.client() as client:
        answer = client.get(path)
    assert answer.status_code in (401, 303)
    assert "64" not in answer.text


def test_the_password_opens_and_logging_out_closes(rig: Rig) -> None:
    with rig.client() as client:
        answer = form(client, "/login", password=PASSWORD, next="/plan")
        assert (answer.status_code, answer.headers["location"]) == (303, "/plan")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        page = client.get("/settings").text
        csrf = page.split('name="csrf" value="')[1].split('"')[0]
        assert form(client, "/logout", csrf="x").status_code == 403
        token = client.cookies[COOKIE]
        assert form(client, "/logout", csrf=csrf).status_code == 303
        client.cookies.set(COOKIE, token)
        assert client.get("/").status_code == 303


@pytest.mark.parametrize(
    "where", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:1", "/a\r\nb"]
)
def test_the_login_leads_nowhere_else(rig: Rig, where: str) -> None:
    with rig.client() as client:
        assert form(client, "/login", password=PASSWORD, next=where).headers["location"] == "/"


@pytest.mark.parametrize("cookie", ["", "x", "a" * 4000, "../../keys/password", "é"])
def test_a_forged_session_opens_nothing(rig: Rig, cookie: str) -> None:
    with rig.client() as client:
        answer = client.get("/settings", headers={"cookie": f"{COOKIE}={cookie}".encode("latin-1")})
    assert answer.status_code == 303


def test_the_reading_token_reads_and_does_not_write(rig: Rig) -> None:
    headers = {"authorization": f"Bearer {rig.keys.read_token()}"}
    with rig.client(headers=headers) as client:
        assert client.get("/api/v1/status").status_code == 200
        assert client.get("/metrics").status_code == 200
        assert client.put("/api/v1/override", json=WISH).status_code == 401
    with rig.client(headers={"authorization": "Bearer é".encode("latin-1")}) as client:
        assert client.get("/api/v1/status").status_code == 401
    assert rig.control.told == []


def test_a_write_needs_session_token_and_our_own_page(rig: Rig) -> None:
    with rig.logged_in() as (client, csrf):
        assert client.put("/api/v1/override", json=WISH).status_code == 403
        assert client.put("/api/v1/override", json=WISH, headers={"x-csrf-token": "x"}).status_code == 403
        good = {"x-csrf-token": csrf}
        for foreign in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
            assert client.put("/api/v1/override", json=WISH, headers={**good, **foreign}).status_code == 403
        assert rig.control.told == []
        assert client.put("/api/v1/override", json=WISH, headers=good).status_code == 200
        assert client.delete("/api/v1/override", headers=good).json() == {"ended": True}
    assert rig.control.told == [("override", WISH), ("end_override", {})]


def test_the_page_takes_over_and_gives_back(rig: Rig) -> None:
    with rig.client() as client:
        form(client, "/login", password=PASSWORD)
        csrf = client.get("/settings").text.split('name="csrf" value="')[1].split('"')[0]
        wish = {"mode": "discharge", "power_w": "1500", "minutes": "90"}
        assert form(client, "/settings/override", **wish).status_code == 403
        assert form(client, "/settings/override", csrf=csrf, **wish).status_code == 303
        assert form(client, "/settings/override", csrf=csrf, mode="end").status_code == 303
        refused = form(client, "/settings/override", csrf=csrf, mode="charge", power_w="<b>", minutes="1")
        assert refused.status_code == 422
        assert "<b>" not in refused.text.split("<main")[1].split("</main")[0].replace("&lt;b&gt;", "")
    told = {"mode": "discharge", "power_w": 1500.0, "duration_s": 5400.0}
    assert rig.control.told == [("override", told), ("end_override", {})]


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 9000, "application/json", 400),
        (b'{"mode": "hold", "mode": "discharge", "duration_s": 60}', "application/json", 400),
        (b'{"mode": "discharge", "power_w": NaN, "duration_s": 60}', "application/json", 400),
        (b"{}", "text/plain", 415),
        (b'{"mode": "hold", "duration_s": 60, "until_s": 1e12}', "application/json", 422),
        (b"x" * 20_000, "application/json", 413),
    ],
)
def test_a_malformed_body_is_refused(rig: Rig, body: bytes, kind: str, code: int) -> None:
    with rig.logged_in() as (client, csrf):
        headers = {"x-csrf-token": csrf, "content-type": kind}
        assert client.put("/api/v1/override", content=body, headers=headers).status_code == code
    assert rig.control.told == []


def test_a_body_without_a_length_is_counted_as_it_comes(rig: Rig) -> None:
    with rig.logged_in() as (client, csrf):
        headers = {"x-csrf-token": csrf, "content-type": "application/json"}
        answer = client.put("/api/v1/override", content=(b"x" * 4096 for _ in range(8)), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example", "127.0.0.1:80@evil.example"]
)
def test_a_host_that_is_not_this_box_is_refused(rig: Rig, host: str) -> None:
    with rig.client(headers={"host": host}) as client:
        assert client.get("/healthz").status_code in (400, 421)


@pytest.mark.parametrize(
    ("header", "host"), [("Box.local:8123", "box.local"), ("[::1]:80", "::1"), ("10.0.0.1", "10.0.0.1"), ("a.", "a")]
)
def test_a_host_is_read_without_its_port(header: str, host: str) -> None:
    assert host_of(header) == host


def test_a_thousand_wrong_passwords_are_refused_and_few_are_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked_at: list[str] = []
    opens = Keys.opens

    def counted(self: Keys, password: str) -> bool:
        looked_at.append(password)
        return opens(self, password)

    monkeypatch.setattr(Keys, "opens", counted)
    keys = Keys(tmp_path / "keys")
    keys.set_password(PASSWORD)
    app = make_app(tmp_path, Control(), keys, open_reads=True)

    async def attack() -> tuple[list[int], httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            tries = [{"password": f"wrong {number}"} for number in range(1000)]
            codes = [(await client.post("/api/v1/login", json=body)).status_code for body in tries]
            assert (await client.get("/")).status_code == 200
            return codes, await client.post("/api/v1/login", json={"password": PASSWORD})

    codes, answer = asyncio.run(attack())
    assert set(codes) == {401, 429}
    assert len(looked_at) <= 20
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "wrong password" in capsys.readouterr().out


def test_the_first_visit_sets_the_password_by_the_code(tmp_path: Path) -> None:
    with web_rig(tmp_path, open_reads=False, password="") as rig, rig.client() as client:
        assert client.get("/").headers["location"] == "/setup?next=/"
        assert client.get("/login").headers["location"] == "/setup"
        assert client.post("/api/v1/login", json={"password": "x"}).status_code == 409
        code = rig.keys.setup_code()
        new = {"password": PASSWORD, "again": PASSWORD}
        assert form(client, "/setup", code="AAAA-BBBB-CCCC-DDDD", **new).status_code == 401
        assert form(client, "/setup", code=code, password=PASSWORD, again="other").status_code == 422
        short = form(client, "/setup", code=code, password="short", again="short")
        assert "10 to 256 characters" in short.text
        assert form(client, "/setup", code=f" {code.lower()} ", **new).status_code == 303
        assert client.get("/").status_code == 200
        assert client.get("/setup").headers["location"] == "/login"
        assert client.get("/login").status_code == 200


def test_a_new_password_ends_every_session(tmp_path: Path) -> None:
    with web_rig(tmp_path, open_reads=False) as rig, rig.logged_in() as (client, _):
        assert client.get("/healthz").status_code == 200
        assert client.get("/log").status_code == 200
        rig.keys.set_password("another long one")
        assert client.get("/log").status_code == 303


def test_who_sends_slowly_is_let_go_and_others_are_served(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "REQUEST_WITHIN_S", 0.5)
    host, port = rig.url.removeprefix("http://").rstrip("/").split(":")
    links = [socket.create_connection((host, int(port)), timeout=60) for _ in range(20)]
    try:
        for link in links:
            link.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        with rig.client() as client:
            assert client.get("/healthz").status_code == 200
        assert [link.recv(100) for link in links] == [b""] * 20
    finally:
        for link in links:
            link.close()


def crowd(rig: Rig, count: int, source: str, request: bytes) -> list[socket.socket]:
    host, port = rig.url.removeprefix("http://").rstrip("/").split(":")
    links = []
    for _ in range(count):
        link = socket.create_connection((host, int(port)), timeout=60, source_address=(source, 0))
        link.sendall(request)
        links.append(link)
    return links


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
def test_hundreds_of_slow_connections_do_not_lock_the_owner_out(rig: Rig, source: str) -> None:
    with rig.client() as owner:
        assert owner.get("/healthz").status_code == 200
        links = crowd(rig, 300, source, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        try:
            for _ in range(5):
                assert owner.get("/healthz").status_code == 200
            with rig.client() as fresh:
                assert fresh.get("/healthz").status_code == 200
        finally:
            for link in links:
                link.close()


def test_the_greediest_peers_oldest_connection_makes_room() -> None:
    assert who_goes([("owner", False, 0.0), ("crowd", False, 2.0), ("crowd", False, 1.0)]) == 2
    assert who_goes([("a", True, 1.0), ("a", False, 3.0), ("a", False, 2.0)]) == 2, "who was answered before may stay"
    assert who_goes([("a", False, 3.0), ("b", False, 1.0)]) == 1


def test_who_does_not_take_his_answers_is_let_go(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "READ_WITHIN_S", 0.5)
    host, port = rig.url.removeprefix("http://").rstrip("/").split(":")
    asking = b"GET /static/style.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.settimeout(60)
        link.connect((host, int(port)))
        with pytest.raises(ConnectionError):
            _ask_for_ever(link, asking)


def _ask_for_ever(link: socket.socket, asking: bytes) -> None:
    """Ask and never take an answer: the server's side fills up."""
    while True:
        link.sendall(asking)


def test_an_answer_is_sent_at_once() -> None:
    with serving.listen("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_pauses_grow_and_are_forgotten() -> None:
    tries = Tries()
    for _ in range(5):
        assert tries.pause_s("a", 0.0) == 0.0
        tries.begin("a", 0.0)
    assert tries.pause_s("a", 0.0) == 10.0
    tries.begin("a", 10.0)
    assert tries.pause_s("a", 10.0) == 20.0
    assert tries.pause_s("b", 10.0) == 0.0
    assert tries.pause_s("a", 4000.0) == 0.0
    tries.forgive("a")
    assert tries.pause_s("a", 10.0) == 0.0


def test_many_peers_together_are_slowed_as_well() -> None:
    tries = Tries()
    for number in range(20):
        tries.begin(str(number), 0.0)
    assert tries.pause_s("fresh", 1.0) == 59.0
    assert tries.pause_s("fresh", 61.0) == 0.0
    for number in range(5000):
        tries.begin(str(number), 100.0)
    assert len(tries._peers) == 1024


def test_sessions_end_by_time_and_by_number(tmp_path: Path) -> None:
    sessions = Sessions(Keys(tmp_path))
    first, _ = sessions.open(0.0)
    assert sessions.find(first, 7 * 86_400.0 - 1.0) is not None
    assert sessions.find(first, 7 * 86_400.0) is None
    token, _ = sessions.open(0.0)
    for _ in range(64):
        sessions.open(0.0)
    assert sessions.find(token, 1.0) is None


def test_keys_are_files_for_one_user_only(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    assert not keys.has_password
    assert keys.setup_code() == keys.setup_code()
    assert len(keys.read_token()) >= 40
    keys.set_password(PASSWORD)
    assert keys.opens(PASSWORD)
    assert not keys.opens(PASSWORD + "x")
    assert not (tmp_path / "keys" / "setup_code").exists()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert PASSWORD not in (tmp_path / "keys" / "password").read_text()


def test_a_password_has_a_length(tmp_path: Path) -> None:
    for wrong in ("", "123456789", "x" * 257):
        with pytest.raises(ConfigError, match="10 to 256"):
            Keys(tmp_path).set_password(wrong)


def test_a_spoilt_key_file_is_named(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    (tmp_path / "password").write_text("not a hash")
    with pytest.raises(StoreError, match="no password hash"):
        keys.opens(PASSWORD)
    (tmp_path / "read_token").write_bytes(b"\xff")
    with pytest.raises(StoreError, match="cannot be read"):
        keys.read_token()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Keys(tmp_path / "file" / "keys")


def test_a_key_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    (tmp_path / "keys").rmdir()
    with pytest.raises(StoreError, match="cannot be written"):
        keys.set_password(PASSWORD)
    assert time.time() > keys.stamp() == 0
