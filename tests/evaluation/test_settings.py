import json

import pytest

from configs import resnet50_brain
from medjax.errors import UserError
from medjax.evaluation.settings import Settings


def test_a_config_gives_its_settings_and_json_gives_them_back():
    config = resnet50_brain.get_config()
    assert Settings.of(config.evaluation) == Settings()
    config.evaluation.update({"coverage": 0.8, "prevalence": (0.25, 0.75), "subgroups": ("site",)})
    settings = Settings.of(config.evaluation)
    assert settings == Settings(coverage=0.8, prevalence=(0.25, 0.75), subgroups=("site",))
    assert Settings.of(json.loads(json.dumps(settings.to_json()))) == settings


def test_what_an_older_run_does_not_know_has_its_default():
    assert Settings.of({"coverage": 0.5, "views": 3}) == Settings(coverage=0.5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"primary": "f1"}, "primary='f1': must be one of accuracy, "),
        ({"coverage": 1.0}, "coverage=1.0: must be in"),
        ({"sensitivity": 0}, "sensitivity=0: must be in"),
        ({"specificity": float("nan")}, "specificity=nan: must be in"),
        ({"prevalence": (0.5, 0.6)}, "give a share"),
        ({"prevalence": (1.5, -0.5)}, "give a share"),
        ({"prevalence": (0.5, float("nan"))}, "give a share"),
        ({"prevalence": ("half", "half")}, "give a share"),
        ({"subgroups": ("site", "site")}, "each once"),
        ({"subgroups": (3,)}, "the names of columns"),
    ],
)
def test_what_cannot_be_is_refused(fields, message):
    with pytest.raises(UserError, match=message):
        Settings(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prevalence": (0.5, 0.5)}, "3 classes need a share each, in this order: a, b, c"),
        ({"primary": "quadratic_kappa"}, "these have no order"),
        ({"subgroups": ("ward",)}, "no column 'ward'; columns of the images: site, age"),
        ({"subgroups": ("age",)}, "'age' has 21 values; at most 20"),
    ],
)
def test_what_does_not_fit_the_images_is_refused(fields, message):
    columns = {"site": ["x", "y"], "age": range(21)}
    with pytest.raises(UserError, match=message):
        Settings(**fields).check("abc", columns, ordered=False)


def test_what_fits_is_taken():
    fitting = Settings(primary="quadratic_kappa", prevalence=(0.5, 0.25, 0.25), subgroups=("site",))
    fitting.check("abc", {"site": range(20)}, ordered=True)
    Settings(prevalence=(0.1, 0.2, 0.7))  # whose sum is not exactly 1
