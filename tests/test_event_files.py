import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

from medjax.event_files import SummaryWriter, metric_writers


def load(folder):
    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()


def scalars(folder, tag):
    return [(event.step, event.value) for event in load(folder).Scalars(tag)]


def test_clu_is_imported_without_tensorflow():
    code = "import sys, medjax.event_files; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_summary_writer_that_clu_has_loaded_is_left_alone():
    code = (
        "import sys, types; real = types.ModuleType('real'); real.SummaryWriter = object\n"
        "sys.modules['clu.metric_writers.summary_writer'] = real\n"
        "from medjax import event_files\n"
        "assert event_files.metric_writers.SummaryWriter is object\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_clu_uses_this_writer_and_finds_every_method():
    assert metric_writers.SummaryWriter is SummaryWriter
    assert issubclass(SummaryWriter, metric_writers.MetricWriter)
    assert metric_writers.MetricWriter.__abstractmethods__ <= set(dir(SummaryWriter))


def test_scalars_come_back(tmp_path):
    writer = metric_writers.create_default_writer(tmp_path)
    writer.write_scalars(1, {"loss": 0.5})
    writer.write_scalars(3, {"loss": np.float32(0.25)})
    writer.close()
    assert scalars(tmp_path, "loss") == [(1, 0.5), (3, 0.25)]


def test_scalars_are_on_the_disk_at_once(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.write_scalars(1, {"loss": 0.5})
    assert scalars(tmp_path, "loss") == [(1, 0.5)]
    writer.close()


def test_purge_hides_the_step_and_all_after_it(tmp_path):
    first = SummaryWriter(tmp_path)
    for step in (1, 2, 3):
        first.write_scalars(step, {"loss": step})
    first.close()
    second = SummaryWriter(tmp_path, purge_step=2)
    second.write_scalars(2, {"loss": 20})
    second.close()
    assert scalars(tmp_path, "loss") == [(1, 1.0), (2, 20.0)]


def test_an_event_file_torn_by_a_kill_does_not_hide_the_next(tmp_path):
    first = SummaryWriter(tmp_path)
    first.write_scalars(1, {"loss": 1})
    first.write_scalars(2, {"loss": 2})
    first.close()
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    second = SummaryWriter(tmp_path, purge_step=2)
    second.write_scalars(2, {"loss": 20})
    second.close()
    assert scalars(tmp_path, "loss") == [(1, 1.0), (2, 20.0)]


def test_images_come_back_pixel_for_pixel(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4, 1) * 20
    batch = np.stack([np.zeros((3, 4, 3)), np.full((3, 4, 3), 2.0)])
    writer = SummaryWriter(tmp_path)
    writer.write_images(5, {"grey": grey, "batch": batch})
    writer.close()
    events = load(tmp_path)
    assert sorted(events.Tags()["images"]) == ["batch/0", "batch/1", "grey"]
    decoded = np.asarray(Image.open(BytesIO(events.Images("grey")[0].encoded_image_string)).convert("L"))
    assert (decoded == grey[..., 0]).all()
    white = np.asarray(Image.open(BytesIO(events.Images("batch/1")[0].encoded_image_string)))
    assert (white == 255).all()


def test_texts_come_back(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.write_texts(0, {"note": "DEMO **data**"})
    writer.close()
    (event,) = load(tmp_path).Tensors("note/text_summary")
    assert tensor_util.make_ndarray(event.tensor_proto).item().decode() == "DEMO **data**"


def test_histograms_count_the_finite_values(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.write_histograms(2, {"w": np.array([0.0, 1, 1, np.nan]), "none": np.array([])}, num_buckets={"w": 2})
    writer.close()
    events = load(tmp_path)
    assert events.Tags()["histograms"] == ["w"]
    histogram = events.Histograms("w")[0].histogram_value
    assert (histogram.num, histogram.min, histogram.max, histogram.sum) == (3, 0, 1, 2)
    assert [count for count in histogram.bucket if count] == [1, 2]


def test_hparams_are_flattened(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.write_hparams({"optimizer": {"name": "adam", "rate": 0.001}, "layers": (256,), "demo": True})
    writer.close()
    metadata = load(tmp_path).SummaryMetadata("_hparams_/session_start_info")
    data = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
    values = data.session_start_info.hparams
    assert values["optimizer.name"].string_value == "adam"
    assert values["optimizer.rate"].number_value == 0.001
    assert values["layers"].string_value == "(256,)"
    assert values["demo"].bool_value


@pytest.mark.parametrize(
    "write",
    [
        lambda writer: writer.write_videos(0, {"v": np.zeros((1, 1, 1, 1))}),
        lambda writer: writer.write_summaries(0, {"s": np.zeros(1)}),
        lambda writer: writer.write_audios(0, {"a": np.zeros((1, 1, 1))}, sample_rate=1),
    ],
)
def test_what_is_not_supported_does_not_stop_a_run(tmp_path, write):
    writer = SummaryWriter(tmp_path)
    write(writer)
    writer.close()
