"""Simulate test sets: how often the intervals hold the truth, and how often the paired tests see what is not there.

    python tests/benchmarks/coverage.py --out=coverage.json [--simulations=1000] [--parts=intervals,tests,recipes]

A simulated test set has two classes, one a group as a patient has one diagnosis, and 1 to 6 images a group (1 +
Poisson of mean 1.5, at most 6: 2.5 on average). An image scores m + e towards its class, e ~ N(0, 1); it is right where
that is above 0: accuracy Φ(m), AUROC Φ(√2·m). An image takes its e from its group with probability √c and draws its own
otherwise, so that any two images of a group have the correlation c, in score and in being right. Models of one test
set share half of the variance of e. A recipe's seed adds N(0, 0.04²) to m: 1.4 points of accuracy at 0.7, 0.4 at 0.95.
Under the null of the tests both models, or recipes, are drawn alike. Not a test: it asserts nothing.
"""

import argparse
import functools
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy import stats

from medjax.evaluation import bootstrap, confusion, ranking
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.ranking import one_vs_rest_auroc
from medjax.evaluation.significance.paired import Paired, compare_images
from medjax.evaluation.significance.recipes import compare_seeds
from medjax.evaluation.uncertainty import MIN_GROUPS, Uncertainty

GROUPS, CORRELATIONS, ACCURACIES = (20, 50, 200), (0.0, 0.3, 0.7), (0.7, 0.95)
SEEDS = 3  # of a recipe
SHARED = 0.5  # of the variance, between two models
SPREAD = 0.04  # of m, between the seeds of a recipe


class TestSet:
    """Labels and groups of one simulated test set, and scores of as many models as are asked for."""

    __test__ = False  # no test of pytest's

    def __init__(self, rng: np.random.Generator, groups: int, correlation: float, accuracy: float, largest: int = 6):
        self.rng, self.correlation, self.margin = rng, correlation, stats.norm.ppf(accuracy)
        sizes = np.minimum(1 + rng.poisson(1.5, groups), largest)
        self.groups = np.repeat(np.arange(groups), sizes)
        self.labels = rng.integers(0, 2, groups)[self.groups]
        self.common = self.noise()

    def noise(self) -> np.ndarray:
        """Draw N(0, 1) for every image, correlated within groups."""
        own, of_groups = self.rng.normal(size=len(self.groups)), self.rng.normal(size=self.groups[-1] + 1)
        copied = self.rng.random(len(own)) < np.sqrt(self.correlation)
        return np.where(copied, of_groups[self.groups], own)

    def model(self, spread: float = 0.0) -> np.ndarray:
        """Draw a model: its probability of class 1, float64 [N]."""
        margin = self.margin + spread * self.rng.normal()
        score = margin + np.sqrt(SHARED) * self.common + np.sqrt(1 - SHARED) * self.noise()
        return 1 / (1 + np.exp(-np.where(self.labels == 1, score, -score)))

    def images(self, probability: np.ndarray) -> Labelled:
        """Return a model's labelled images."""
        both = np.stack([1 - probability, probability], axis=1)
        return Labelled(self.labels, both, both.argmax(axis=1), self.groups, ("0", "1"))


class Lean(Uncertainty):
    """The intervals of evaluation.json, from the same resamples of accuracy and AUROC alone."""

    def __init__(self, images: Labelled):
        self.images = images
        self.sizes = images.of_groups(np.ones(len(images)))
        self.enough = images.num_groups >= MIN_GROUPS
        drawn = _drawn(images.num_groups)
        accuracy = (drawn @ images.of_groups(images.predicted == images.labels)) / (drawn @ self.sizes)
        self.replicates = {"accuracy": accuracy, "macro_auroc": _resampled_auroc(images, drawn)}


@functools.cache
def _drawn(groups: int) -> np.ndarray:
    drawn = bootstrap.group_counts(groups, bootstrap.RESAMPLES, bootstrap.RESAMPLES)
    return np.concatenate(list(drawn)).astype(np.float64)


def _resampled_auroc(images: Labelled, drawn: np.ndarray) -> np.ndarray:
    """AUROC as of ranking.resampler, which sorts, from the pairs of images counted by pairs of groups: [R].

    The same numbers; six times faster for few groups and two classes.
    """
    positive, scores = images.labels == 1, images.probabilities[:, 1]
    order = (np.sign(scores[positive][:, None] - scores[~positive]) + 1) / 2
    of_groups = [np.eye(images.num_groups)[:, images.groups[side]] for side in (positive, ~positive)]
    in_order = np.einsum("rg,rg->r", drawn @ (of_groups[0] @ order @ of_groups[1].T), drawn)
    pairs = [drawn @ side.sum(axis=1) for side in of_groups]
    with np.errstate(invalid="ignore"):
        return in_order / (pairs[0] * pairs[1])


def check_lean(images: Labelled) -> None:
    """Compare the resamples of `Lean` with those of evaluation.json, once."""
    drawn, lean = _drawn(images.num_groups), Lean(images).replicates
    for family, metric in ((confusion, "accuracy"), (ranking, "macro_auroc")):
        np.testing.assert_allclose(lean[metric], family.resampler(images)(drawn.astype(np.int64))[metric], rtol=1e-12)


def intervals_hold(rng: np.random.Generator, *cell: float) -> dict[str, tuple[float, float] | None]:
    """Simulate once -> for each metric by how much truth lies above the lower and below the upper bound."""
    simulated = TestSet(rng, *cell)
    images = simulated.images(simulated.model())
    uncertainty, found = Lean(images), {}
    for name, value, truth in (
        ("accuracy", (images.predicted == images.labels).mean(), stats.norm.cdf(simulated.margin)),
        ("macro_auroc", one_vs_rest_auroc(images.labels, images.probabilities).mean(), true_auroc(simulated.margin)),
    ):
        bounds = uncertainty.interval(name, value).bounds
        found[name] = None if bounds is None else (truth - bounds[0], bounds[1] - truth)
    return found


def true_auroc(margin: float) -> float:
    """AUROC of scores that are N(±m, 1) in the two classes."""
    return float(stats.norm.cdf(np.sqrt(2) * margin))


def pair_differs(rng: np.random.Generator, *cell: float) -> dict[str, Paired]:
    """Simulate two models that are alike -> what the tests say."""
    simulated = TestSet(rng, *cell)
    models = [simulated.images(simulated.model()) for _ in range(2)]
    return {metric: compare_images(*models, metric) for metric in ("accuracy", "macro_auroc")}


def recipes_differ(rng: np.random.Generator, *cell: float) -> dict[str, Paired]:
    """Simulate two recipes that are alike, of `SEEDS` seeds -> what the tests say."""
    simulated = TestSet(rng, *cell)
    models = [simulated.images(simulated.model(SPREAD)) for _ in range(2 * SEEDS)]
    return {metric: compare_seeds(models[:SEEDS], models[SEEDS:], metric) for metric in ("accuracy", "macro_auroc")}


def coverage(found: list[tuple[float, float] | None]) -> dict[str, float]:
    """Sum up simulations of one metric; shares are of those with an interval."""
    known = np.array([sides for sides in found if sides is not None]).reshape(-1, 2)
    return {
        "without_interval": 1 - len(known) / len(found),
        "coverage": float((known >= 0).all(axis=1).mean()),
        "truth_below": float((known[:, 0] < 0).mean()),
        "truth_above": float((known[:, 1] < 0).mean()),
        "mean_width": float(known.sum(axis=1).mean()),
    }


def errors(found: list[Paired]) -> dict[str, float]:
    """Sum up simulations of one metric under the null; shares are of those with a p-value, or an interval."""
    p_values = np.array([one.p_value for one in found if one.p_value is not None])
    bounds = np.array([one.interval for one in found if one.interval is not None]).reshape(-1, 2)
    return {
        "without_p_value": 1 - len(p_values) / len(found),
        "type_1_error": float((p_values <= 0.05).mean()) if len(p_values) else np.nan,
        "coverage": float(((bounds[:, 0] <= 0) & (bounds[:, 1] >= 0)).mean()) if len(bounds) else np.nan,
    }


PARTS: dict[str, tuple[Callable, Callable, str, str]] = {
    "intervals": (intervals_hold, coverage, "coverage", "without_interval"),
    "tests": (pair_differs, errors, "type_1_error", "without_p_value"),
    "recipes": (recipes_differ, errors, "type_1_error", "without_p_value"),
}


def cells() -> Iterator[tuple[int, float, float, int]]:
    """Yield (groups, correlation, accuracy, largest group), with groups of one image first."""
    for groups, accuracy in itertools.product(GROUPS, ACCURACIES):
        yield groups, 0.0, accuracy, 1
        for correlation in CORRELATIONS:
            yield groups, correlation, accuracy, 6


def simulate(part: str, groups: list[int], simulations: int) -> Iterator[dict]:
    """Yield a row for each cell of one part that has one of these numbers of groups."""
    once, summary, _, _ = PARTS[part]
    for number, cell in enumerate(cells()):
        if cell[0] not in groups:
            continue
        begun = time.process_time()
        rng = np.random.default_rng([list(PARTS).index(part), number])
        found = [once(rng, *cell) for _ in range(simulations)]
        row = dict(zip(("groups", "correlation", "accuracy", "largest_group"), cell, strict=True))
        row |= {f"of_{metric}": summary([one[metric] for one in found]) for metric in found[0]}
        yield row | {"simulations": simulations, "core_seconds": round(time.process_time() - begun, 1)}


def table_row(row: dict, share: str, lacking: str) -> str:
    """Set one cell as a row of Markdown."""
    texts = [str(row["groups"]), "1" if row["largest_group"] == 1 else "1–6", f"{row['correlation']:g}"]
    texts.append(f"{row['accuracy']:g}")
    for metric in ("accuracy", "macro_auroc"):
        without = row[f"of_{metric}"][lacking]
        if without == 1:
            texts.append("not estimable")
            continue
        texts.append(f"{row[f'of_{metric}'][share]:.1%}" + (f" ({without:.1%} without)" if without else ""))
    return f"| {' | '.join(texts)} |"


def main() -> None:
    """Simulate every cell of the parts asked for, print a table of each and write the JSON file as it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1000, help="test sets a cell")
    parser.add_argument("--groups", type=lambda text: [int(n) for n in text.split(",")], default=list(GROUPS))
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS))
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args()
    simulated = TestSet(np.random.default_rng(0), 50, 0.3, 0.7)
    check_lean(simulated.images(simulated.model()))
    rows: dict[str, list[dict]] = {}
    for part in args.parts:
        _, _, share, lacking = PARTS[part]
        print(f"\n{part}: {share}, {args.simulations} simulated test sets a cell\n")
        print("| groups | images a group | correlation | accuracy | of accuracy | of AUROC |\n" + "|---" * 6 + "|")
        for row in simulate(part, args.groups, args.simulations):
            rows.setdefault(part, []).append(row)
            print(table_row(row, share, lacking), flush=True)
            if args.out:
                args.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
