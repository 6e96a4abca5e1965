"""Measure the audit: seconds and memory, the known leak, synthetic copies, links between classes; draw some links.

    python tests/benchmarks/audit.py --data=FOLDER --cache=FOLDER --out=audit.json [--montage=FOLDER] [--copies=1000]

FOLDER of --data holds brain_tumor_mri.zip and medical_mnist.zip. The search for copies is always made anew. Seconds are
those of the clock and of all cores together; the second tells more where other work runs. Not a test: it asserts
nothing.
"""

import argparse
import io
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from medjax.pipeline import candidates, spectra
from medjax.pipeline.audit import audit
from medjax.pipeline.cache import load_table
from medjax.pipeline.confirmation import Confirmer
from medjax.pipeline.duplicates import Duplicates, find_duplicates
from medjax.pipeline.table import ImageTable

SIZES = {"brain_tumor_mri": 224, "medical_mnist": 64}
RANDOM_PAIRS = 10_000_000
LOOKED_AT = 200


def resized(image: np.ndarray) -> np.ndarray:
    """Return an image after 70 % of its size."""
    small = Image.fromarray(image).resize((round(0.7 * image.shape[1]), round(0.7 * image.shape[0])), Image.BILINEAR)
    return np.asarray(small.resize(image.shape[::-1], Image.BILINEAR))


def jpeg(image: np.ndarray) -> np.ndarray:
    """Return an image after JPEG of quality 60."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flip": np.fliplr,
    "rotate 90°": np.rot90,
    "resize to 70 %": resized,
    "JPEG quality 60": jpeg,
    "brightness +10 %": lambda x: np.clip(np.rint(x * 1.1), 0, 255).astype(np.uint8),
    "brightness −10 %": lambda x: np.rint(x * 0.9).astype(np.uint8),
    "all but the size, at once": lambda x: jpeg(np.rint(np.rot90(np.fliplr(x)) * 0.9).astype(np.uint8)),
}


def measure(table: ImageTable) -> tuple[dict, Duplicates]:
    """Search and audit a table -> its row of the JSON file, and the copies."""
    clock, cores = time.perf_counter(), time.process_time()
    found = find_duplicates(table.images)
    column = table.columns.get("official_split")
    splits = {} if column is None else {str(name): np.flatnonzero(column == name) for name in ("train", "test")}
    report = audit(table, splits, found=found)
    row = {
        "images": len(table),
        "seconds": time.perf_counter() - clock,
        "core_seconds": time.process_time() - cores,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "copies": {key: value for key, value in report["copies"].items() if key != "worst_pairs"},
        "links_between_classes": int((table.labels[found.i] != table.labels[found.j]).sum()),
        "warnings": report["warnings"],
    }
    return row, found


def synthetic(table: ImageTable, count: int) -> dict[str, float]:
    """Return the share of synthetic copies that are found, by kind; `count` images drawn at random."""
    rows = np.sort(np.random.default_rng(0).choice(len(table), min(count, len(table)), replace=False))
    originals = table.images[rows][..., 0]
    shares = {}
    for kind, copy in COPIES.items():
        found = find_duplicates(np.concatenate([originals, [copy(image) for image in originals]])[..., None])
        linked = set(zip(found.i.tolist(), found.j.tolist(), strict=True))
        first, second = found.exact[: len(rows)].tolist(), found.exact[len(rows) :].tolist()
        hits = sum(a == b or (min(a, b), max(a, b)) in linked for a, b in zip(first, second, strict=True))
        shares[kind] = hits / len(rows)
    return shares


def random_links(table: ImageTable, count: int) -> dict[str, int]:
    """Compare random pairs of images of two classes -> how many were compared, proposed and linked."""
    rng = np.random.default_rng(0)
    known = spectra.store(table.images)
    confirmer = Confirmer(table.images, known)
    described = candidates.descriptors(known)
    turned = [spectra.turn(described, k).reshape(len(table), -1) for k in range(len(spectra.ORIENTATIONS))]
    compared = proposed = linked = 0
    while compared < count:
        i, j = rng.integers(0, len(table), (2, 100_000))
        i, j = (rows[table.labels[i] != table.labels[j]][: count - compared] for rows in (i, j))
        compared += len(i)
        for orientation, descriptors in enumerate(turned):
            alike = np.einsum("pk,pk->p", turned[0][i], descriptors[j]) >= candidates.LEAST_LIKENESS
            proposed += int(alike.sum())
            turns = np.full(alike.sum(), orientation)
            linked += int(confirmer.confirm(i[alike], j[alike], turns)[1].sum())
    return {"compared": compared, "proposed": proposed, "linked": linked}


def draw_links(table: ImageTable, found: Duplicates, folder: Path) -> int:
    """Draw random links within a class, 50 a picture, the second turned as the first -> how many."""
    same = np.flatnonzero(table.labels[found.i] == table.labels[found.j])
    chosen = np.random.default_rng(0).choice(same, min(LOOKED_AT, len(same)), replace=False)
    for number, links in enumerate(chosen[start : start + 50] for start in range(0, len(chosen), 50)):
        cells = []
        for link in links:
            second = spectra.turn_image(table.images[found.j[link]], int(found.orientation[link]))
            both = np.hstack([table.images[found.i[link]], second])[..., 0]
            cells.append(np.pad(Image.fromarray(both).resize((176, 88)), ((0, 4), (0, 4)), constant_values=255))
        cells += [np.zeros_like(cells[0])] * (-len(cells) % 10)
        rows = [np.hstack(cells[start : start + 10]) for start in range(0, len(cells), 10)]
        Image.fromarray(np.vstack(rows)).save(folder / f"{table.name}_links_{number}.png")
    return len(chosen)


def print_row(name: str, row: dict) -> None:
    """Print what was measured on one dataset."""
    print(
        f"\n{name}: {row['images']:,} images, {row['seconds']:.1f} s, {row['core_seconds']:.1f} core seconds, ", end=""
    )
    print(f"{row['peak_gib']:.2f} GiB at most, {row['links_between_classes']} links between classes")
    for pair in row["copies"]["across_splits"]:
        print(f"  across {' and '.join(pair['splits'])}: {pair}")
    print(f"  largest groups: {[group['images'] for group in row['copies']['largest_groups']]}")
    for kind, share in row["synthetic"].items():
        print(f"  {kind:<28}{share:8.2%} found")
    print(f"  random pairs of two classes: {row['random_pairs']}", flush=True)


def main() -> None:
    """Measure both datasets, print a table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--datasets", type=lambda text: text.split(","), default=list(SIZES))
    parser.add_argument("--copies", type=int, default=1000, help="synthetic copies of each kind")
    parser.add_argument("--montage", type=Path, help="folder for pictures of random links")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args()
    rows = {}
    for name in args.datasets:
        fixed = {"channels": 1, "fit": "squash", "on_bad_image": "skip", "cache_dir": args.cache}
        table = load_table(name, source=args.data / f"{name}.zip", image_size=SIZES[name], **fixed)
        rows[name], found = measure(table)
        rows[name]["synthetic"] = synthetic(table, args.copies)
        rows[name]["random_pairs"] = random_links(table, RANDOM_PAIRS if name == "medical_mnist" else 100_000)
        if args.montage:
            rows[name]["drawn"] = draw_links(table, found, args.montage)
        print_row(name, rows[name])
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
