"""A whole run of a tiny network on the phantom, for every test that wants to look at one."""

import contextlib
import os
import pathlib
import resource

import pytest

from medjax import config as configuration
from medjax.train import train_and_evaluate
from tests.configs import tiny


@pytest.fixture(autouse=True)
def key_for_pseudonyms(monkeypatch, tmp_path_factory):
    """No test touches the key of whoever runs it."""
    monkeypatch.setenv("MEDJAX_KEY", str(tmp_path_factory.getbasetemp() / "key"))


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Nor their downloads and compiled programs; runs that tests start share theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDJAX_CACHE", str(tmp_path_factory.mktemp("medjax-cache")))
        yield


def pytest_collection_modifyitems(items):
    """Skip what reads real images where there are none; begin with the files that start whole runs, the longest.

    Else one process would still be at them when the other one has nothing left.
    """
    items.sort(key=lambda item: item.path.parent != pathlib.Path(__file__).parent)
    if "MEDJAX_TEST_DATA" not in os.environ:
        for item in items:
            if item.get_closest_marker("real_data"):
                item.add_marker(pytest.mark.skip(reason="MEDJAX_TEST_DATA is not set"))


@pytest.fixture
def files_end_at():
    """`with files_end_at(size)`: no file grows beyond `size` bytes, as on a disk that fills up in the middle of one."""

    @contextlib.contextmanager
    def limited(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture(scope="session")
def run_tiny(tmp_path_factory):
    """run_tiny(workdir, field__name=value, …) -> what evaluation.json holds. The decoded images are shared.

    Drawing takes a third of such a run, so there is no report and no figure unless `drawn` is given.
    """
    cache = str(tmp_path_factory.mktemp("cache"))

    def run(workdir, drawn=False, **changes):
        config = tiny.get_config()
        config.data.cache = cache
        config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
        with pytest.MonkeyPatch.context() as patch:
            if not drawn:
                patch.setattr("medjax.judge.write_report", lambda *_: None)
                patch.setattr("medjax.train.write_figures", lambda *_: None)
            return train_and_evaluate(configuration.resolve(config), workdir)

    return run


@pytest.fixture(scope="session")
def finished(run_tiny, tmp_path_factory):
    """Folder and evaluation of a run of the tiny config as it is; not to be changed."""
    workdir = tmp_path_factory.mktemp("run")
    return workdir, run_tiny(workdir, drawn=True)
