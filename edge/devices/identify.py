"""Whether a device is of the family that the site file says, by what it answers about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.devices.profile import Identity, Profile
from edge.devices.registers import join_words, text_from_words


def stranger(profile: Profile, words: Mapping[str, Sequence[int]]) -> str:
    """Why this is no device of the family, by the words read so far; empty while nothing speaks against it."""
    for identity in profile.identify:
        if identity.point in words and not _fits(profile, identity, words[identity.point]):
            said = _said(profile, identity.point, words[identity.point])
            return f"this is no {profile.header.vendor} {profile.header.family}: {identity.point} says {said}"
    return ""


def _fits(profile: Profile, identity: Identity, words: Sequence[int]) -> bool:
    """Whether the answer is the family's; a register without a value speaks for nobody."""
    if identity.prefix:
        return text_from_words(words).startswith(identity.prefix)
    point = profile.by_name[identity.point]
    return join_words(words, point.order(profile.link.word_order)) in (*identity.equals, *point.sentinels)


def _said(profile: Profile, name: str, words: Sequence[int]) -> str:
    point = profile.by_name[name]
    if point.type == "str":
        return repr(text_from_words(words))
    return str(join_words(words, point.order(profile.link.word_order)))
