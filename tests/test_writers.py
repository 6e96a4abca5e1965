import errno
import io
import json

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from medjax.errors import UserError
from medjax.event_files import SummaryWriter
from medjax.jsonl import read_rows
from medjax.writers import Writers, write_figures


def tensorboard(folder):
    return EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()


def write_run(folder, steps, restored_step, offset=0.0, demo=False):
    with Writers(folder, restored_step=restored_step, demo=demo) as writers:
        for step in steps:
            writers.write(step, {"epoch": step // 10, "loss": offset + step})
            writers.write_timing(step, {"seconds": 1.5})


def test_a_row_goes_to_the_file_and_to_tensorboard(tmp_path):
    write_run(tmp_path, [10], None)
    assert read_rows(tmp_path / "metrics.jsonl") == [{"step": 10, "epoch": 1, "loss": 10.0}]
    assert read_rows(tmp_path / "timing.jsonl") == [{"step": 10, "seconds": 1.5}]
    events = tensorboard(tmp_path)
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(10, 10.0)]
    assert [(e.step, e.value) for e in events.Scalars("timing/seconds")] == [(10, 1.5)]


def test_no_wall_clock_in_metrics(tmp_path):
    write_run(tmp_path / "a", [10, 20], None)
    write_run(tmp_path / "b", [10, 20], None)
    assert (tmp_path / "a/metrics.jsonl").read_bytes() == (tmp_path / "b/metrics.jsonl").read_bytes()


def test_resuming_cuts_rows_past_the_restored_step_everywhere(tmp_path):
    write_run(tmp_path, [10, 20, 30], None)
    write_run(tmp_path, [30, 40], 20, offset=100.0)
    assert [(r["step"], r["loss"]) for r in read_rows(tmp_path / "metrics.jsonl")] == [
        (10, 10.0),
        (20, 20.0),
        (30, 130.0),
        (40, 140.0),
    ]
    assert [r["step"] for r in read_rows(tmp_path / "timing.jsonl")] == [10, 20, 30, 40]
    assert [(e.step, e.value) for e in tensorboard(tmp_path).Scalars("loss")] == [
        (10, 10.0),
        (20, 20.0),
        (30, 130.0),
        (40, 140.0),
    ]


def test_starting_again_without_a_checkpoint_drops_everything(tmp_path):
    write_run(tmp_path, [0, 10, 20], None)
    write_run(tmp_path, [10], None, offset=100.0)
    assert [r["loss"] for r in read_rows(tmp_path / "metrics.jsonl")] == [110.0]
    assert [(e.step, e.value) for e in tensorboard(tmp_path).Scalars("loss")] == [(10, 110.0)]


def test_demo_is_in_every_row_and_in_tensorboard(tmp_path):
    write_run(tmp_path, [10, 20], None, demo=True)
    assert all(json.loads(line)["demo"] is True for line in (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert "DEMO/text_summary" in tensorboard(tmp_path).Tags()["tensors"]


def test_without_demo_nothing_says_so(tmp_path):
    write_run(tmp_path, [10], None)
    assert "demo" not in read_rows(tmp_path / "metrics.jsonl")[0]


def test_rows_are_on_the_disk_before_closing(tmp_path):
    writers = Writers(tmp_path, restored_step=None)
    writers.write(10, {"loss": 1.0})
    assert len(read_rows(tmp_path / "metrics.jsonl")) == 1
    writers.close()
    writers.close()


def test_closed_also_when_the_run_fails(tmp_path):
    def failing_run():
        with Writers(tmp_path, restored_step=None) as writers:
            writers.write(10, {"loss": 1.0})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing_run()
    assert tensorboard(tmp_path).Tags()["scalars"] == ["loss"]


def test_figures_are_in_tensorboard_pixel_for_pixel(tmp_path):
    (tmp_path / "figures").mkdir()
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5
    Image.fromarray(pixels).save(tmp_path / "figures/roc.png")
    (tmp_path / "figures/roc.csv").write_text("class")
    write_figures(tmp_path, 30)
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0}).Reload()
    (event,) = events.Images("figures/roc")
    assert event.step == 30
    assert (np.asarray(Image.open(io.BytesIO(event.encoded_image_string)).convert("RGB")) == pixels).all()


def test_a_run_without_figures_writes_none(tmp_path):
    write_figures(tmp_path, 30)
    assert tensorboard(tmp_path).Tags()["images"] == []


def test_figures_that_the_disk_has_no_space_for_are_one_line(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SummaryWriter, "write_images", refuse)
    with pytest.raises(UserError, match=r"cannot write .*free some space"):
        write_figures(tmp_path, 1)
