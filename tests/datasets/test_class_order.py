import pytest

from medjax.datasets.class_order import order_classes
from medjax.errors import UserError

FOUND = {"mild", "none", "severe"}


def test_names_are_sorted() -> None:
    assert order_classes(FOUND, ordered=(), positive_class="") == ("mild", "none", "severe")


def test_whole_numbers_are_sorted_as_numbers() -> None:
    assert order_classes({"10", "9", "-1"}, ordered=(), positive_class="") == ("-1", "9", "10")
    assert order_classes({"10", "9", "a"}, ordered=(), positive_class="") == ("10", "9", "a")


def test_the_positive_class_comes_last() -> None:
    assert order_classes(FOUND, ordered=(), positive_class="mild") == ("none", "severe", "mild")


def test_degrees_keep_their_order_whatever_is_positive() -> None:
    assert order_classes(FOUND, ordered=["none", "mild", "severe"], positive_class="mild") == ("none", "mild", "severe")


@pytest.mark.parametrize(
    ("found", "ordered", "positive", "message"),
    [
        (set(), (), "", "found no class: there is nothing to tell apart"),
        ({"a"}, (), "", "found 'a': there is nothing to tell apart"),
        (FOUND, (), "sever", "positive_class is 'sever'; the classes found are 'mild', 'none', 'severe'"),
        (FOUND, ("none", "mild"), "", "ordered is 'none', 'mild'; it must name every class once"),
        (FOUND, ("none", "mild", "mild", "severe"), "", "must name every class once"),
    ],
)
def test_what_does_not_fit_is_said_with_what_was_found(found, ordered, positive, message) -> None:
    with pytest.raises(UserError, match=message):
        order_classes(found, ordered=ordered, positive_class=positive)
