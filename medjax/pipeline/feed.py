"""The way of the examples to the device: all of them once, or the rows of each step ahead of it."""

from __future__ import annotations

import collections
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jax.sharding import Mesh

from medjax.processes import everywhere
from medjax.sharding import by_batch, place, replicated

PLACEMENTS = ("auto", "device", "sharded", "host")

_AHEAD = 2  # batches gathered before they are asked for
_SHARE = 0.5  # of the device's free memory that examples may take; the network needs the rest


class Batch(NamedTuple):
    """The examples of one step; on the device, the leading axis is divided over the mesh.

    Attributes:
      rows: uint8 or uint16 [B, H, W, C], images; or float32 [B, V, F], features.
      labels: int32 [B], −1 = missing.
      categories: int32 [B, D], of the input columns; D is 0 without any.
      indices: int32 [B], their rows in the table.
    """

    rows: jax.Array
    labels: jax.Array
    categories: jax.Array
    indices: jax.Array


def bare_batch(images: np.ndarray) -> Batch:
    """Return images [B, H, W, C] of no table as a batch on the host: label, row and columns of each are 0 or none."""
    zeros = np.zeros(len(images), np.int32)
    return Batch(images, zeros, np.zeros((len(images), 0), np.int32), zeros)  # type: ignore[arg-type]


class Feed(Protocol):
    """What makes batches of indices. Both kinds give the same batches, to the bit."""

    def ahead(self, indices: Iterable[np.ndarray]) -> Generator[Batch]:
        """Yield the batch of each int32 [B]. Close the generator when it is left early: `contextlib.closing`."""
        ...


class DeviceFeed:
    """Examples that rest on the devices; a small program of its own gathers the rows of a step."""

    def __init__(
        self, examples: np.ndarray, labels: np.ndarray, categories: np.ndarray, mesh: Mesh, *, sharded: bool = False
    ):
        """Put the examples on every device, or, `sharded`, a part of them on each."""
        whole, self._divided = replicated(mesh), by_batch(mesh)
        lying = self._divided if sharded else whole
        rows = _place_parts(examples, mesh) if sharded else place(examples, whole)
        self._arrays = (rows, place(labels, whole), place(categories, whole))
        self._gather = jax.jit(
            _gather, in_shardings=((lying, whole, whole), self._divided), out_shardings=self._divided
        )

    def ahead(self, indices: Iterable[np.ndarray]) -> Generator[Batch]:
        """Yield the batch of each int32 [B]."""
        for chosen in indices:
            yield self._gather(self._arrays, place(chosen, self._divided))


class HostFeed:
    """Examples that stay where they are, such as a memory map; a thread gathers the rows of the next two steps."""

    def __init__(self, examples: np.ndarray, labels: np.ndarray, categories: np.ndarray, mesh: Mesh):
        self._arrays = (examples, labels, categories)
        self._divided = by_batch(mesh)

    def ahead(self, indices: Iterable[np.ndarray]) -> Generator[Batch]:
        """Yield the batch of each int32 [B]; what goes wrong in the thread is raised here.

        The thread ends with the generator, however that ends: it has at most two rows of indices left to gather.
        """
        pool = ThreadPoolExecutor(1, thread_name_prefix="feed")
        waiting: collections.deque[Future[Batch]] = collections.deque()
        try:
            for chosen in indices:
                waiting.append(pool.submit(self._take, chosen))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _take(self, chosen: np.ndarray) -> Batch:
        examples, labels, categories = (self._rows(array, chosen) for array in self._arrays)
        return Batch(examples, labels, categories, place(chosen, self._divided))

    def _rows(self, array: np.ndarray, chosen: np.ndarray) -> jax.Array:
        """Gather rows on the host: of each device of this process its own share, and no others."""

        def share(index: Any) -> np.ndarray:
            return array[chosen[index[0]]]  # an array of its own, so that JAX may keep it without a copy

        return jax.make_array_from_callback((len(chosen), *array.shape[1:]), self._divided, share)


def make_feed(
    examples: np.ndarray, labels: np.ndarray, categories: np.ndarray, *, placement: str, mesh: Mesh
) -> DeviceFeed | HostFeed:
    """Return the feed of some examples.

    Args:
      examples: [N, …], possibly a memory map.
      labels: int32 [N].
      categories: int32 [N, D].
      placement: "device", on each; "sharded", rows divided among them; "host"; "auto": the first for which there is
        room, see `fits`.
      mesh: the devices.
    """
    if placement == "auto":
        placement = _roomiest(examples.nbytes, mesh)
    if placement == "host":
        return HostFeed(examples, labels, categories, mesh)
    return DeviceFeed(examples, labels, categories, mesh, sharded=placement == "sharded")


def _roomiest(size: int, mesh: Mesh) -> str:
    """Return the fastest placement that so many bytes of examples leave room for, in every process."""
    if everywhere(fits(size, mesh)):
        return "device"
    return "sharded" if everywhere(fits(size // mesh.size, mesh)) else "host"


def fits(size: int, mesh: Mesh) -> bool:
    """Return whether examples of so many bytes may rest on each of this process's devices.

    On a CPU never: the device's memory is the host's, where the memory map is already, and a copy would take that
    space again. Nor where the device does not tell its memory.
    """
    for device in mesh.local_devices:
        stats = None if device.platform == "cpu" else device.memory_stats()
        if not stats or "bytes_limit" not in stats:
            return False
        if size > _SHARE * (stats["bytes_limit"] - stats.get("bytes_in_use", 0)):
            return False
    return True


def _place_parts(array: np.ndarray, mesh: Mesh) -> jax.Array:
    """Put an even part of the rows on each device, the last ones filled up with zeros that no index asks for."""
    share = -(-len(array) // mesh.size)

    def rows(index: Any) -> np.ndarray:
        part = np.asarray(array[index[0]])
        return np.concatenate([part, np.zeros((share - len(part), *part.shape[1:]), part.dtype)])

    return jax.make_array_from_callback((share * mesh.size, *array.shape[1:]), by_batch(mesh), rows)


def _gather(arrays: tuple[jax.Array, jax.Array, jax.Array], indices: jax.Array) -> Batch:
    examples, labels, categories = (array.at[indices].get(mode="promise_in_bounds") for array in arrays)
    return Batch(examples, labels, categories, indices)
