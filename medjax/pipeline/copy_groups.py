"""Groups of copies from links between pairs, so that a chain of likenesses does not swallow a class."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medjax.pipeline import confirmation, spectra

# Of a member with its group's hub; below LEAST_CORRELATION, since two copies may each differ from the original in
# another way. Pictures of different patients stay below it; neighbours in a stack pass it for a few slices only.
LEAST_WITH_HUB = 0.8
_MEMBERS = 256  # compared with the hub at once, in 8 orientations


def group_copies(known: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Join linked images, as long as every member resembles the group's hub, its most linked image.

    Where a chain of links leads away from the hub, the images beyond form groups of their own.

    Args:
      known: spectra [N, side, side], as of spectra.store.
      i, j: int64 [links].

    Returns:
      int64 [N], the lowest row of each image's group.
    """
    groups = np.arange(len(known))
    nodes, places = np.unique(np.concatenate([i, j]), return_inverse=True)
    first, second = np.split(places, 2)
    waiting = _components(np.arange(len(nodes)), first, second)
    degree = np.bincount(places, minlength=len(nodes))
    while waiting:
        members = waiting.pop()
        hub = members[np.argmax(degree[members])]  # ties: the lowest row
        near = _near_hub(known, nodes[members], nodes[hub]) | (members == hub)
        groups[nodes[members[near]]] = nodes[members[near]].min()
        beyond = members[~near]
        if beyond.size:
            inside = np.isin(first, beyond) & np.isin(second, beyond)
            waiting += _components(beyond, first[inside], second[inside])
    return groups


def _components(members: np.ndarray, first: np.ndarray, second: np.ndarray) -> list[np.ndarray]:
    """Return the sets of members that links join, each sorted; a member without link is a set of its own."""
    if not members.size:
        return []
    ends = np.searchsorted(members, first), np.searchsorted(members, second)
    graph = coo_array((np.ones(len(first), dtype=np.int8), ends), shape=(len(members), len(members)))
    count, component = connected_components(graph, directed=False)
    order = np.argsort(component, kind="stable")
    return np.split(members[order], np.cumsum(np.bincount(component, minlength=count))[:-1])


def _near_hub(known: np.ndarray, rows: np.ndarray, hub: int) -> np.ndarray:
    """Return which rows resemble the hub in some orientation, bool [rows]."""
    centre = known[hub : hub + 1].astype(np.float32)
    best = np.full(len(rows), -1, dtype=np.float32)
    for start in range(0, len(rows), _MEMBERS):
        some = slice(start, start + _MEMBERS)
        around = known[rows[some]].astype(np.float32)
        for orientation in range(len(spectra.ORIENTATIONS)):
            turned = spectra.turn(around, orientation)
            best[some] = np.maximum(best[some], confirmation.compare(np.broadcast_to(centre, turned.shape), turned)[0])
    return best >= LEAST_WITH_HUB
