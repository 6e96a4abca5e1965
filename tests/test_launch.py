"""The launcher, with a stand-in for python that dies as it is told."""

import os
import pathlib
import subprocess

import pytest

SCRIPT = pathlib.Path("launch/local.sh").absolute()


def launch(folder, statuses):
    """Run the launcher; its n-th child exits with the n-th status. Returns (status, number of children)."""
    (folder / "statuses").write_text("\n".join(map(str, statuses)) + "\n")
    python = folder / "python"
    python.write_text(
        '#!/bin/sh\ncd "$(dirname "$0")" || exit 99\necho "$@" >> calls\n'
        'exit "$(sed -n "$(wc -l < calls)p" statuses)"\n'
    )
    python.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run([SCRIPT, "--config=a b.py"], env=environment, capture_output=True, timeout=60)
    calls = (folder / "calls").read_text().splitlines()
    assert set(calls) == {"-m medjax.main --config=a b.py"}
    return done.returncode, len(calls)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [([0], (0, 1)), ([2], (2, 1)), ([130], (130, 1)), ([137, 0], (0, 2)), ([1, 1, 1, 0], (1, 3))],
)
def test_it_starts_again_after_a_death_and_never_after_a_mistake(tmp_path, statuses, expected):
    assert launch(tmp_path, statuses) == expected
