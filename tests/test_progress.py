import json
import math

from medjax.early_stopping import Patience
from medjax.progress import Progress


def begun():
    return Progress(7, Patience("min", 3).update(0.1 + 0.2), Patience("max", 0), {"loss": 0.1 + 0.2})


def test_it_comes_back_exactly_from_json():
    assert Progress.from_json(json.loads(json.dumps(begun().to_json()))) == begun()


def test_sums_add_up_to_means_over_the_images():
    progress = Progress(0, Patience("min", 3), Patience("min", 0), {})
    progress.add(None)
    assert progress.sums == {}
    for loss, correct in ((4.0, 2), (2.0, 1)):
        progress.add({"loss": loss, "correct": correct, "count": 4, "skipped": 0})
    assert progress.means() == {"loss": 0.75, "accuracy": 0.375}


def test_without_an_update_the_means_are_no_numbers():
    progress = Progress(0, Patience("min", 3), Patience("min", 0), {"loss": 0.0, "correct": 0.0, "count": 0.0})
    assert all(math.isnan(value) for value in progress.means().values())
