import logging
from collections.abc import Iterator

import pytest

from medjax.pipeline import progress as progress_module
from medjax.pipeline.progress import progress


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The log off a terminal, for a task long enough to tell of itself."""
    seen: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: seen.append(record.getMessage()))
    monkeypatch.setattr(progress_module, "_QUIET_SECONDS", -1.0)
    log = logging.getLogger("medjax")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield seen
    log.removeHandler(handler)
    log.setLevel(level)


def test_off_a_terminal_there_is_a_line_each_quarter_and_at_the_end(lines: list[str]) -> None:
    with progress("Decoding", 1000, show=True) as update:
        for _ in range(1000):
            update(1)
    assert lines[:3] == [f"Decoding: {done} of 1,000 images" for done in (250, 500, 750)]
    assert len(lines) == 4
    assert lines[3].startswith("Decoding: 1,000 images in ")


def test_a_short_task_says_only_its_end(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "_QUIET_SECONDS", 3600.0)
    with progress("Decoding", 4, show=True) as update:
        update(4)
    assert len(lines) == 1


def test_silence_when_asked(lines: list[str]) -> None:
    with progress("Decoding", 4, show=False) as update:
        update(4)
    assert lines == []


def test_on_a_terminal_there_is_a_bar(
    lines: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress("Decoding", 4, show=True) as update:
        update(4)
    assert "Decoding: 100%" in capsys.readouterr().err
    assert lines == []
