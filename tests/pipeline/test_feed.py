import contextlib
import threading
import time

import jax
import numpy as np
import pytest

from medjax import sharding
from medjax.pipeline import feed as feeds
from medjax.pipeline.feed import DeviceFeed, HostFeed, fits, make_feed

EXAMPLES = np.random.default_rng(0).integers(0, 65536, (7, 2, 3, 1), np.uint16)
LABELS = np.array([0, 1, -1, 2, 0, 1, 2], np.int32)
CATEGORIES = np.arange(14, dtype=np.int32).reshape(7, 2)
MESH = sharding.make_mesh()
ORDER = [np.array(chosen, np.int32) for chosen in ([3, 0], [6, 6], [1, 2], [5, 4], [0, 1])]


def make(kind, examples=EXAMPLES):
    return kind(examples, LABELS, CATEGORIES, MESH)


def feed_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("feed")]


@pytest.mark.parametrize("kind", [DeviceFeed, HostFeed])
def test_a_batch_holds_the_rows_asked_for_in_order(kind):
    batches = list(make(kind).ahead(iter(ORDER)))
    assert len(batches) == len(ORDER)
    for batch, chosen in zip(batches, ORDER, strict=True):
        for field, table in zip(batch, (EXAMPLES, LABELS, CATEGORIES, np.arange(7)), strict=True):
            assert isinstance(field, jax.Array)
            np.testing.assert_array_equal(field, table[chosen])
        assert batch.rows.dtype == np.uint16


def test_the_memory_map_stays_unread_but_for_the_rows(tmp_path):
    np.save(tmp_path / "images.npy", EXAMPLES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    first = next(make(HostFeed, mapped).ahead([ORDER[0]]))
    np.testing.assert_array_equal(first.rows, EXAMPLES[ORDER[0]])


def test_two_batches_are_gathered_ahead_and_no_more():
    asked = []

    def order():
        for chosen in ORDER:
            asked.append(chosen)
            yield chosen

    with contextlib.closing(make(HostFeed).ahead(order())) as batches:
        next(batches)
        assert len(asked) == 3


class Broken:
    nbytes = 0
    shape = EXAMPLES.shape

    def __getitem__(self, chosen):
        if 6 in chosen:
            raise OSError("the disk is gone")
        return EXAMPLES[chosen]


def test_what_goes_wrong_in_the_thread_is_raised_where_the_batch_is_due():
    batches = make(HostFeed, Broken()).ahead(ORDER)
    np.testing.assert_array_equal(next(batches).rows, EXAMPLES[ORDER[0]])
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)
    assert not feed_threads()


class Slow:
    nbytes = 0
    shape = EXAMPLES.shape

    def __getitem__(self, chosen):
        time.sleep(0.05)
        return EXAMPLES[chosen]


def test_leaving_early_as_with_ctrl_c_ends_the_thread():
    def train():
        with contextlib.closing(make(HostFeed, Slow()).ahead(iter(ORDER * 100))) as batches:
            next(batches)
            assert feed_threads()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert not feed_threads()


def test_the_thread_ends_with_the_last_batch():
    assert len(list(make(HostFeed).ahead(ORDER))) == 5
    assert not feed_threads()


class _Device:
    def __init__(self, platform, stats):
        self.platform, self._stats = platform, stats

    def memory_stats(self):
        return self._stats


class _Mesh:
    def __init__(self, *devices):
        self.local_devices = devices


@pytest.mark.parametrize(
    ("size", "devices", "expected"),
    [
        (40, [_Device("gpu", {"bytes_limit": 100, "bytes_in_use": 20})], True),
        (41, [_Device("gpu", {"bytes_limit": 100, "bytes_in_use": 20})], False),
        (50, [_Device("tpu", {"bytes_limit": 100})], True),
        (50, [_Device("tpu", {"bytes_limit": 100}), _Device("tpu", {"bytes_limit": 99})], False),
        (1, [_Device("gpu", None)], False),
        (1, [_Device("gpu", {})], False),
        (1, [_Device("cpu", {"bytes_limit": 100})], False),
    ],
)
def test_examples_fit_where_half_of_what_is_free_on_every_device_holds_them(size, devices, expected):
    assert fits(size, _Mesh(*devices)) is expected


@pytest.mark.parametrize(
    ("placement", "fitting", "kind"),
    [
        ("device", False, DeviceFeed),
        ("host", True, HostFeed),
        ("auto", True, DeviceFeed),
        ("auto", False, HostFeed),
    ],
)
def test_the_placement_decides_and_auto_asks_the_devices(placement, fitting, kind, monkeypatch):
    monkeypatch.setattr(feeds, "fits", lambda size, mesh: fitting)
    found = make_feed(EXAMPLES, labels=LABELS, categories=CATEGORIES, placement=placement, mesh=MESH)
    assert isinstance(found, kind)
