"""The registry under use, under two processes at once, and under a kill at every line."""

import json
import os
import shutil
import signal
import sqlite3
import sys

import pytest

from training.errors import SetupError, TrainingError
from training.registry import CHAMPION, DATABASE, PREVIOUS, SHADOW, Judgement, Registry

pytestmark = pytest.mark.training

SCORES = {"pv_w": {"ours": {"pinball": 10.0}}}
_OURS = ("registry.py", "objects.py", "registry_schema.py")


@pytest.fixture(scope="module")
def bundles(workbench):
    """Three versions of the made house's bundle, as bytes."""
    return [workbench(f"1-{letter}", seq) for seq, letter in enumerate("abc")]


@pytest.fixture
def registry(tmp_path):
    moments = iter(range(10**6))
    opened = Registry(tmp_path / "registry", clock=lambda: float(next(moments)))
    yield opened
    opened.close()


def filled(registry, bundles):
    return [registry.add(raw, f"{index}.zip") for index, raw in enumerate(bundles)]


def test_the_same_bytes_are_one_entry_and_another_bundle_of_a_version_is_refused(registry, bundles, workbench):
    first = registry.add(bundles[0], "a.zip")
    assert registry.add(bundles[0], "again.zip") == first
    assert [entry.version for entry in registry.entries()] == ["1-a"]
    assert registry.content(first) == bundles[0]
    with pytest.raises(TrainingError, match="made has another bundle 1-a"):
        registry.add(workbench("1-a", 7), "other.zip")
    with pytest.raises(SetupError, match=r"bad.zip: is not a bundle"):
        registry.add(b"no ZIP", "bad.zip")
    assert [event.action for event in registry.log()] == ["add"]


def test_an_entry_is_found_by_alias_version_and_digest(registry, bundles):
    first, second, _ = filled(registry, bundles)
    registry.promote(first, beaten=None, detail="")
    assert registry.find("champion").sha256 == registry.find("1-a").sha256 == registry.find(first.sha256[:8]).sha256
    assert registry.find(second.sha256, "made").version == "1-b"
    for wrong in ("shadow", "2-x", first.sha256[:4]):
        with pytest.raises(TrainingError, match="is no bundle of the registry"):
            registry.find(wrong)


def test_a_champion_gives_way_and_comes_back(registry, bundles):
    first, second, third = filled(registry, bundles)
    with pytest.raises(TrainingError, match="no previous champion"):
        registry.rollback("made")
    registry.promote(first, beaten=None, detail="first")
    registry.shadow(second)
    assert registry.alias("made", SHADOW) == second.sha256
    registry.promote(second, beaten=first.sha256, detail="better")
    assert registry.alias("made", SHADOW) is None
    assert [entry.stage for entry in registry.entries("made")] == ["previous", "champion", "candidate"]
    assert registry.rollback("made", "it froze").sha256 == first.sha256
    assert registry.alias("made", PREVIOUS) == second.sha256
    registry.promote(third, beaten=first.sha256, detail="")
    assert [entry.stage for entry in registry.entries()] == ["previous", "retired", "champion"]
    said = [(event.action, event.detail) for event in registry.log("made")][3:]
    assert said == [
        ("promote", "first"), ("shadow", ""), ("promote", "better"), ("rollback", "it froze"), ("promote", "")
    ]  # fmt: skip


def test_a_promotion_counts_only_against_the_champion_that_was_judged(registry, bundles):
    first, second, third = filled(registry, bundles)
    registry.promote(first, beaten=None, detail="")
    with pytest.raises(TrainingError, match="champion meanwhile; judge again"):
        registry.promote(second, beaten=None, detail="")
    with pytest.raises(TrainingError, match="1-a is champion already"):
        registry.promote(first, beaten=first.sha256, detail="")
    registry.promote(third, beaten=first.sha256, detail="")
    assert registry.alias("made", CHAMPION) == third.sha256


def test_gc_drops_files_that_no_alias_holds_and_no_row(registry, bundles):
    first, second, third = filled(registry, bundles)
    registry.promote(first, beaten=None, detail="")
    registry.record(Judgement(sha256=second.sha256, data_sha256="d", from_s=0.0, until_s=1.0, days=1, scores=SCORES))
    draft = registry.objects.path(first.sha256).with_name(".draft-1")
    draft.write_bytes(b"half")
    assert registry.collect(keep=1) == 2  # the second bundle, and what a dead writer left
    assert not draft.exists()
    assert [entry.stage for entry in registry.entries()] == ["champion", "collected", "candidate"]
    assert registry.content(third) == bundles[2]
    for refused in (registry.content, registry.shadow, lambda entry: registry.promote(entry, beaten=None, detail="")):
        with pytest.raises(TrainingError, match=r"1-b: was collected \(gc\); add its file again"):
            refused(registry.find("1-b"))
    assert registry.judgements(second.sha256)[0].scores == SCORES
    assert registry.collect(keep=1) == 0
    assert registry.add(bundles[1], "back.zip").stage == "candidate"
    assert registry.content(second) == bundles[1]
    assert registry.problems() == []


def test_a_damaged_file_is_named_and_never_handed_out(registry, bundles):
    first, second, _ = filled(registry, bundles)
    path = registry.objects.path(first.sha256)
    path.chmod(0o644)
    path.write_bytes(bundles[0][:-1] + b"!")
    registry.objects.path(second.sha256).unlink()
    assert [line.split(":")[0] for line in registry.problems()] == ["1-a", "1-b"]
    with pytest.raises(TrainingError, match="is damaged"):
        registry.content(first)
    with pytest.raises(TrainingError, match="cannot be read"):
        registry.content(second)
    filled(registry, bundles)  # the same bytes once more mend both
    assert registry.problems() == []


@pytest.mark.parametrize("table", ["entry", "judgement", "audit"])
def test_history_never_changes(registry, bundles, tmp_path, table):
    entry = registry.add(bundles[0], "a.zip")
    registry.record(Judgement(sha256=entry.sha256, data_sha256="d", from_s=0.0, until_s=1.0, days=1, scores=SCORES))
    with sqlite3.connect(tmp_path / "registry" / DATABASE) as stranger:
        for change in (f"DELETE FROM {table}", f"UPDATE {table} SET sha256 = 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match=f"{table} rows never change"):
                stranger.execute(change)
    stranger.close()


def test_a_registry_of_a_later_program_or_in_a_wrong_place_is_refused(tmp_path):
    Registry(tmp_path).close()
    with sqlite3.connect(tmp_path / DATABASE) as stranger:
        stranger.execute("PRAGMA user_version = 99")
    stranger.close()
    with pytest.raises(SetupError, match="of a later program"):
        Registry(tmp_path)
    with pytest.raises(SetupError, match="Not a directory"):
        Registry(tmp_path / DATABASE / "below")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / DATABASE).write_text("this is no database, but long enough to be looked at as one " * 20)
    with pytest.raises(SetupError, match="not a database"):
        Registry(tmp_path / "text")


def in_child(work) -> int:
    """Run it in a forked process that leaves no trace in this one; the status of its end."""
    child = os.fork()
    if child == 0:
        sys.settrace(None)
        try:
            work()
        except BaseException:  # noqa: BLE001 -- the child must end here, whatever it was
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def killed_at(line_count: int, work) -> bool:
    """Run it in a child that is killed before its n-th line of registry code; whether it was."""

    def traced() -> None:
        left = [line_count]

        def count(frame, event, _):
            if not frame.f_code.co_filename.endswith(_OURS):
                return None
            if event == "line":
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return count

        sys.settrace(count)
        work()

    status = in_child(traced)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def add_third(registry, bundles):
    registry.add(bundles[2], "c.zip")


def promote_second(registry, bundles):
    registry.promote(registry.find("1-b"), beaten=registry.alias("made", CHAMPION), detail="")


def roll_back(registry, bundles):
    registry.rollback("made")


def collect(registry, bundles):
    registry.collect(keep=0)


def picture(folder):
    """What a reader sees: stages and the length of the log."""
    registry = Registry(folder)
    found = [(entry.version, entry.stage) for entry in registry.entries()], len(registry.log())
    problems = registry.problems()
    registry.close()
    assert problems == []
    return found


@pytest.mark.parametrize("change", [add_third, promote_second, roll_back, collect])
def test_a_kill_at_any_line_leaves_the_state_before_or_after(tmp_path, bundles, change):
    start = tmp_path / "start"
    registry = Registry(start)
    zero = registry.add(bundles[0], "a.zip")
    registry.promote(zero, beaten=None, detail="")
    registry.add(bundles[1], "b.zip")
    if change is roll_back:
        registry.promote(registry.find("1-b"), beaten=zero.sha256, detail="")
    registry.close()

    def work(folder):
        opened = Registry(folder)
        change(opened, bundles)
        opened.close()

    done = tmp_path / "done"
    shutil.copytree(start, done)
    work(done)
    allowed = [picture(start), picture(done)]
    seen = []
    for line_count in range(1, 1000):
        folder = tmp_path / f"at{line_count}"
        shutil.copytree(start, folder)
        if not killed_at(line_count, lambda place=folder: work(place)):
            break
        seen.append(picture(folder))
        assert seen[-1] in allowed
        if seen[-1] == allowed[0]:
            work(folder)
            assert picture(folder) == allowed[1]
        shutil.rmtree(folder)
    assert allowed[0] in seen
    assert allowed[1] in seen, "the last lines come after the commit"


def test_two_processes_at_once_lose_nothing(tmp_path, bundles):
    folder = tmp_path / "registry"
    Registry(folder).close()

    def worker(mine: int) -> None:
        registry = Registry(folder)
        for turn in range(6):
            entry = registry.add(bundles[(mine + turn) % 3], f"{mine}-{turn}")
            try:
                registry.promote(entry, beaten=registry.alias("made", CHAMPION), detail=str(mine))
            except TrainingError as error:
                if not any(words in str(error) for words in ("champion already", "meanwhile", "was collected")):
                    raise
            registry.collect(keep=1)
        registry.close()

    children = []
    for mine in range(2):
        child = os.fork()
        if child == 0:
            try:
                worker(mine)
            except BaseException as error:  # noqa: BLE001 -- the child must end here, whatever it was
                print(json.dumps(str(error)), file=sys.stderr)
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    registry = Registry(folder)
    assert registry.problems() == []
    promotions = [event.sha256 for event in registry.log() if event.action == "promote"]
    assert promotions[-1] == registry.alias("made", CHAMPION)
    assert promotions[-2] == registry.alias("made", PREVIOUS)
    registry.close()
