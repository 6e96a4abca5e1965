import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medjax.evaluation.labelled import Labelled
from medjax.evaluation.significance.delong import auroc_influences

BOTH_SIDES = [f"g{n // 6}" for n in range(60)]  # every class stands in every group


def placements(images, k):
    """Placements of the images of class k and of the others, by counting pairs."""
    scores, positive = images.probabilities[:, k], images.labels == k
    above = scores[positive][:, None] > scores[~positive]
    order = above + 0.5 * (scores[positive][:, None] == scores[~positive])
    return order.mean(axis=1), order.mean(axis=0), positive


@pytest.mark.parametrize("classes", [2, 3])
def test_the_areas_are_scikit_learns(table, groups, classes):
    images = Labelled.of(table(0, groups, classes))
    expected = [roc_auc_score(images.labels == k, images.probabilities[:, k]) for k in range(classes)]
    assert auroc_influences(images)[0].tolist() == pytest.approx(expected, abs=1e-12)


def test_single_images_give_the_covariance_of_delong(table):
    first, second = (Labelled.of(table(seed, [""] * 40, 3)) for seed in (0, 1))
    for k in range(3):
        (x0, x1, positive), (y0, y1, _) = placements(first, k), placements(second, k)
        expected = np.cov(x0, y0) / positive.sum() + np.cov(x1, y1) / (~positive).sum()
        both = np.stack([auroc_influences(images)[1][:, k] for images in (first, second)])
        np.testing.assert_allclose(both @ both.T, expected, atol=1e-15)


def test_groups_that_hold_both_sides_give_the_covariance_of_obuchowski(table):
    models = [Labelled.of(table(seed, BOTH_SIDES, 3)) for seed in (0, 1)]
    groups = 10
    for k in range(3):
        sums = []
        for images in models:
            of_class, of_others, positive = placements(images, k)
            m, n, area = positive.sum(), (~positive).sum(), of_class.mean()
            x = np.bincount(images.groups[positive], of_class - area) / m
            y = np.bincount(images.groups[~positive], of_others - area) / n
            sums.append((x, y))
        factor = groups / (groups - 1)
        (x, y), (u, v) = sums
        expected = factor * (x @ u + y @ v + x @ v + y @ u)
        of_groups = [auroc_influences(images)[1][:, k] for images in models]
        assert of_groups[0] @ of_groups[1] == pytest.approx(expected, abs=1e-15)


def test_two_classes_have_one_area(table, groups):
    areas, of_groups = auroc_influences(Labelled.of(table(0, groups, 2)))
    assert areas[0] == pytest.approx(areas[1], abs=1e-12)
    np.testing.assert_allclose(of_groups[:, 0], of_groups[:, 1], atol=1e-12)


def test_a_class_without_images_or_of_all_is_undefined(table):
    images = Labelled.of(table(0, [""] * 10, 2, labels=[0] * 10))
    areas, of_groups = auroc_influences(images)
    assert np.isnan(areas).all()
    assert np.isnan(of_groups).all()
    assert of_groups.shape == (10, 2)


def test_one_image_of_a_class_has_an_area_and_no_variance(table):
    images = Labelled.of(table(0, [""] * 10, 2, labels=[1] + [0] * 9))
    areas, of_groups = auroc_influences(images)
    assert 0 <= areas[1] <= 1
    assert np.isnan(of_groups).any()
