import numpy as np

from medjax.inference import predictions
from medjax.pipeline.feed import HostFeed
from medjax.sharding import make_mesh


def test_every_index_is_given_once_and_the_padding_is_known():
    parts = list(predictions.batches(np.arange(10, 17), 3))
    assert [real for _, real in parts] == [3, 3, 1]
    assert np.concatenate([padded[:real] for padded, real in parts]).tolist() == list(range(10, 17))
    assert all(len(padded) == 3 for padded, _ in parts)


def test_rows_come_back_in_order_without_the_padding():
    table = np.arange(5)[:, None] * 2
    feed = HostFeed(table, np.zeros(5, np.int32), np.zeros((5, 0), np.int32), make_mesh())
    rows = predictions.collect(lambda batch: batch.rows, feed, np.array([4, 1, 3]), 2)
    assert rows.tolist() == [[8], [2], [6]]


def test_loss_and_accuracy_by_hand():
    logits = np.log([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    loss, accuracy = predictions.loss_and_accuracy(logits, np.array([0, 1]))
    np.testing.assert_allclose(loss, -(np.log(0.7) + np.log(0.3)) / 2, rtol=1e-12)
    assert accuracy == 0.5


def test_probabilities_stay_finite_at_large_logits():
    scores = predictions.log_probabilities(np.array([[1e4, 0.0]], np.float32))
    np.testing.assert_allclose(scores, [[0, -1e4]])
