import pytest

from medjax.datasets.folder_layout import Place
from medjax.datasets.grouping import find_groups
from medjax.errors import UserError


def places(*paths: str) -> list[Place]:
    return [Place(path, path, "", path.split("/")[0], path.partition("/")[2]) for path in paths]


def groups(paths: list[Place], group_from: str, pattern: str = "", patient_ids: dict[str, str] | None = None):
    known = patient_ids or {}
    return find_groups(paths, group_from=group_from, group_pattern=pattern, patient_id=lambda name: known.get(name, ""))


def test_without_a_wish_nothing_is_known() -> None:
    assert groups(places("cat/1.png", "dog/2.png"), "") == ["", ""]


def test_the_folder_below_the_class_is_the_group_however_deep_the_image_lies() -> None:
    assert groups(places("cat/p1/1.png", "cat/p2/series/1.png", "dog/p1/1.png"), "subfolder") == ["p1", "p2", "p1"]


@pytest.mark.parametrize("pattern", [r"(P\d+)_", r"cat/(?:x/)?(\w+)_", r"([a-z]+)/.*(?P<group>P\d+)"])
def test_a_pattern_gives_its_first_group_or_the_one_named_group(pattern: str) -> None:
    assert groups(places("cat/P1_2.png", "cat/x/P17_3.png"), "pattern", pattern) == ["P1", "P17"]


def test_dicom_gives_the_patient() -> None:
    assert groups(places("a/1", "b/2"), "patient_id", patient_ids={"a/1": "X", "b/2": "Y"}) == ["X", "Y"]


@pytest.mark.parametrize(
    ("group_from", "pattern", "message"),
    [
        ("column", "", "group_from is 'column'; choose '' .unknown., subfolder, pattern, patient_id"),
        ("pattern", "", "a pattern is needed for group_from='pattern' and for nothing else"),
        ("subfolder", "(x)", "a pattern is needed for group_from='pattern' and for nothing else"),
        ("pattern", "(x", "is no regular expression: "),
        ("pattern", "x", "has no group; put brackets around"),
        ("pattern", r"(P\d+)", r"2 of 3 images do not match group_pattern .* \(1 in 'cat', 1 in 'dog'\)"),
        ("pattern", r"P1|(x*)", r"3 of 3 images do not match"),
        ("subfolder", "", r"3 of 3 images lie in their class folder itself.* \(2 in 'cat', 1 in 'dog'\)"),
        ("patient_id", "", "3 of 3 images have no DICOM PatientID"),
    ],
)
def test_every_image_must_have_its_group_and_none_is_named(group_from: str, pattern: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        groups(places("cat/P1.png", "cat/secret.png", "dog/secret.png"), group_from, pattern)
    assert "secret" not in str(caught.value)
