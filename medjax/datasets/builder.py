"""Datasets as tfds builders in array_record format, without TensorFlow. Importing this imports tfds."""

from __future__ import annotations

import contextlib
import io
import json
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from medjax.datasets.description import Dataset, Example


class _Info(tfds.core.DatasetInfo):
    def initialize_from_bucket(self) -> None:
        """Ask nothing of Google's bucket; tfds leaves an empty temporary folder each time it does."""


class ImageBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Writes the examples of a Dataset; make_builder gives each dataset a class of this kind with its own name."""

    dataset: Dataset

    def __init__(self, *, splits: Mapping[str, Iterable[Example]], **kwargs: Any):
        self._splits = splits
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        dataset = self.dataset
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(doc="The file's bytes; read with SkipDecoding, any mode may be there."),
                "label": tfds.features.ClassLabel(names=dataset.class_names),
                "image_id": tfds.features.Text(),
                "group_id": tfds.features.Text(),
                "read_error": tfds.features.Text(),
                "left_out": tfds.features.Text(),
                # tfds stores a float64 scalar as float32, so further columns travel as JSON.
                "columns": tfds.features.Text(doc="JSON object"),
            }
        )
        return _Info(
            builder=self,
            description=dataset.description,
            homepage=dataset.homepage,
            citation=dataset.citation,
            license=dataset.license,
            features=features,
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: object) -> Mapping[str, Iterator[tuple[str, dict[str, Any]]]]:
        return {name: self._generate_examples(examples) for name, examples in self._splits.items()}

    def _generate_examples(self, examples: Iterable[Example]) -> Iterator[tuple[str, dict[str, Any]]]:
        for example in examples:
            columns = json.dumps(dict(example.columns), sort_keys=True)
            yield example.image_id, {**example._asdict(), "columns": columns}


def make_builder(
    dataset: Dataset, splits: Mapping[str, Iterable[Example]], data_dir: Path
) -> tfds.core.GeneratorBasedBuilder:
    """Return the tfds builder of a dataset.

    Args:
      dataset: what to build.
      splits: its examples by split; not touched when they are prepared already.
      data_dir: where tfds prepares it. tfds reuses what it finds there without a look at the source, so the caller
        keys the folder by the source's fingerprint.
    """
    name = "".join(part.capitalize() for part in dataset.name.split("_"))
    namespace = {
        "__doc__": dataset.description,
        "__module__": __name__,
        "name": dataset.name,
        "dataset": dataset,
        "VERSION": tfds.core.Version(dataset.version),
    }
    builder = types.new_class(name, (ImageBuilder,), {"skip_registration": True}, lambda body: body.update(namespace))
    return builder(splits=splits, data_dir=str(data_dir), file_format="array_record")


def prepare(builder: tfds.core.GeneratorBasedBuilder) -> None:
    """Build what is not built yet, without tfds' own output."""
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    finally:
        tfds.enable_progress_bar()


def read(builder: tfds.core.GeneratorBasedBuilder) -> dict[str, Sequence[dict[str, Any]]]:
    """Return the examples of each split by random access, images still encoded."""
    sources = builder.as_data_source(decoders={"image": tfds.decode.SkipDecoding()})
    return {name: sources[name] for name in builder.info.splits}
