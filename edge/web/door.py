"""Who may come in: sessions, and how often a wrong password may be tried. No framework, no sockets: times come in.

One admin password. A session is a random token of which only the hash is kept, in memory: a restart of the web process
asks for the password again. Tries cost processor time and memory, so they are counted per peer and in all, and refused
before the hash is computed.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from edge.web.keys import Keys, same

SESSION_S = 7 * 86_400.0
_MAX_SESSIONS = 64
_FREE_TRIES = 5
_FIRST_PAUSE_S = 10.0
_LONGEST_PAUSE_S = 900.0
_FORGOTTEN_AFTER_S = 3600.0
_MAX_PEERS = 1024
_ALL_TRIES = 20
_ALL_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who gave the password; ``csrf`` must come back with every write."""

    csrf: str
    until_s: float
    stamp: int


@dataclass(slots=True)
class _Tries:
    count: int = 0
    last_s: float = 0.0
    not_before_s: float = 0.0


class Tries:
    """Wrong passwords of each peer, and all tries of a minute."""

    def __init__(self) -> None:
        self._peers: OrderedDict[str, _Tries] = OrderedDict()
        self._all: list[float] = []

    def pause_s(self, peer: str, now_s: float) -> float:
        """How long this peer must wait before it may try again; 0 if it may."""
        self._all = [at_s for at_s in self._all if now_s - at_s < _ALL_WITHIN_S]
        crowded_s = _ALL_WITHIN_S - (now_s - self._all[0]) if len(self._all) >= _ALL_TRIES else 0.0
        tries = self._peers.get(peer)
        if tries is None or now_s - tries.last_s > _FORGOTTEN_AFTER_S:
            return crowded_s
        return max(tries.not_before_s - now_s, crowded_s, 0.0)

    def begin(self, peer: str, now_s: float) -> None:
        """Count a try as wrong, before it is known to be: tries at the same moment count as well."""
        self._all.append(now_s)
        tries = self._peers.pop(peer, _Tries())
        if now_s - tries.last_s > _FORGOTTEN_AFTER_S:
            tries = _Tries()
        tries.count, tries.last_s = tries.count + 1, now_s
        over = tries.count - _FREE_TRIES
        if over >= 0:
            tries.not_before_s = now_s + min(_FIRST_PAUSE_S * 2.0 ** min(over, 10), _LONGEST_PAUSE_S)
        self._peers[peer] = tries
        while len(self._peers) > _MAX_PEERS:
            self._peers.popitem(last=False)

    def forgive(self, peer: str) -> None:
        """Its last try was right: nothing counts against it, nor that try against all."""
        self._peers.pop(peer, None)
        self._all = self._all[:-1]


class Sessions:
    """Open sessions by the hash of their token."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._open: OrderedDict[str, Session] = OrderedDict()

    def open(self, now_s: float) -> tuple[str, Session]:
        """A new token and its session; the oldest goes where there are too many."""
        token = secrets.token_urlsafe(32)
        session = Session(csrf=secrets.token_urlsafe(32), until_s=now_s + SESSION_S, stamp=self._keys.stamp())
        self._open[_digest(token)] = session
        while len(self._open) > _MAX_SESSIONS:
            self._open.popitem(last=False)
        return token, session

    def find(self, token: str, now_s: float) -> Session | None:
        """The session of a token while it lasts and the password is still the same."""
        session = self._open.get(_digest(token))
        if session is None or now_s >= session.until_s or session.stamp != self._keys.stamp():
            self.close(token)
            return None
        return session

    def close(self, token: str) -> None:
        """End a session."""
        self._open.pop(_digest(token), None)


def may_write(session: Session | None, csrf: str) -> bool:
    """Whether a write comes from a page that we gave to this session."""
    return session is not None and same(csrf, session.csrf)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
