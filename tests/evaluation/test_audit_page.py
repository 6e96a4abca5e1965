import numpy as np
import pytest

from medjax.evaluation.audit_page import audit_page, page_image_ids
from tests.evaluation.test_report import Page

NASTY = '<script>alert("1")</script>$title'


def numbers(**changes):
    keys = ("images", "exact_groups", "exact_images", "near_links", "near_images", "groups", "images_in_groups")
    return dict.fromkeys(keys, 0) | changes


def pair(across=True, differ=False, kind="near"):
    return {
        "image_ids": [f"{NASTY}1", f"{NASTY}2"],
        "labels": ["ant", NASTY if differ else "ant"],
        "splits": ["train", "test" if across else "train"],
        "kind": kind,
        "correlation": 0.9871,
        "orientation": "turned by 180°",
        "across_splits": across,
        "labels_differ": differ,
    }


def make_audit(**changes):
    between = {"splits": ["train", "test"], "exact_groups": 189, "near_links": 5, "groups": 190}
    between |= {key: {"train": 200, "test": 216} for key in ("exact_images", "near_images", "images")}
    copies = {
        "overall": numbers(images=1234, images_in_groups=416),
        "within_splits": {"train": numbers(images=1000), "test": numbers(images=234)},
        "across_splits": [between],
        "conflicting_labels": {"exact_groups": 2, "exact_images": 4, "near_links": 3},
        "largest_groups": [{"images": 9, "first_image": NASTY, "classes": {NASTY: 9}, "splits": {"train": 9}}],
        "worst_pairs": [pair(), pair(across=False, differ=True), pair(across=False, kind="exact")],
    }
    fact = {"fact": NASTY, "values": 2, "cramers_v": 0.5, "counts": {NASTY: {"ant": 3}}, "warning": NASTY}
    audit = {
        "dataset": NASTY,
        "demo": False,
        "image_shape": [64, 64, 1],
        "warnings": [NASTY],
        "flow": {"found": 1300, "readable": 1290, "kept": 1234, "labelled": 1234, "used": 1234},
        "classes": {"ant": {"all": 1234, "train": 1000, "test": 234}, "": {"all": 0, "train": 0, "test": 0}},
        "copies": copies,
        "grouping": {"patients": 0, "groups": 900},
        "facts": [fact],
        "skipped": [{"image_id": NASTY, "reason": NASTY}],
        "left_out": {NASTY: 56},
    }
    return audit | changes


THUMBNAILS = {f"{NASTY}{k}": np.zeros((8, 8, 1), np.uint8) for k in (1, 2)}


@pytest.mark.parametrize("thumbnails", [None, {}, THUMBNAILS])
def test_text_of_others_is_escaped(thumbnails):
    source = audit_page(make_audit(), thumbnails)
    assert "<script" not in source
    assert "$title" in Page(source).text


def test_nothing_is_loaded_from_elsewhere():
    source = audit_page(make_audit(), THUMBNAILS)
    page = Page(source)
    assert len(page.all("img")) == 6
    assert all(image["src"].startswith("data:image/png;base64,") for image in page.all("img"))
    assert not page.all("script")
    assert not page.all("link")
    assert "http://" not in source
    assert "https://" not in source


def test_without_pictures_the_pairs_are_a_table():
    page = Page(audit_page(make_audit()))
    assert not page.all("img")
    assert "near copy, turned by 180°, correlation 0.987" in page.text
    assert "the same pixels" in page.text


def test_a_missing_thumbnail_leaves_the_pair():
    assert Page(audit_page(make_audit(), {})).text.count("no picture") == 6


def test_pairs_stand_under_what_is_wrong_with_them():
    text = Page(audit_page(make_audit(), THUMBNAILS)).text
    assert text.index("In two splits") < text.index("With different labels") < text.index("In one split, with one")


def test_every_picture_has_an_alternative_text():
    images = Page(audit_page(make_audit(), THUMBNAILS)).all("img")
    assert images[1]["alt"] == f"{NASTY}2: test, ant"


def test_the_leak_is_said_first():
    text = Page(audit_page(make_audit())).text
    assert "416 of 1,234 images are copies of others; 190 groups of copies lie in two splits." in text
    assert "189" in text[text.index("Table 2") :]


def test_a_clean_table_says_so():
    audit = make_audit(warnings=[], facts=[], skipped=[], left_out={})
    audit["copies"] |= {"across_splits": [], "largest_groups": [], "worst_pairs": []}
    audit["copies"]["conflicting_labels"] = {"exact_groups": 0, "exact_images": 0, "near_links": 0}
    page = Page(audit_page(audit, {}))
    assert "no copy lies in another split than the image it repeats" in page.text
    assert "No copies have different labels." in page.text
    for absent in ("Warnings", "at most two of one group", "Facts of the files", "cannot be read"):
        assert absent not in page.text


def test_the_flow_says_where_images_are_lost():
    text = Page(audit_page(make_audit())).text
    assert "10 not readable" in text
    assert "56 no image of the dataset" in text


def test_demo_is_loud():
    page = Page(audit_page(make_audit(demo=True)))
    assert page.all("body") == [{"class": "demo"}]
    assert "DEMO" not in Page(audit_page(make_audit())).text


def test_the_images_to_fetch_are_those_shown():
    assert page_image_ids(make_audit()) == list(THUMBNAILS)
