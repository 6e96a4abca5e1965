"""A stand-in for the reader of DICOM, for tests of what is built on it: a file is b"DICM <patient>" and no more."""

import io
import sys
import types

import numpy as np
import pytest

from medjax.datasets.source import ReadError


class StandIn:
    """DICOM are files that begin with DICM; one whose patient is REPORT is no image, one of BAD cannot be decoded."""

    calls: list = []  # noqa: RUF012

    def __init__(self, source, names, *, intensity="auto", window=None, frame=None):
        self.calls.append((tuple(names), intensity, window, frame))
        self._patients = {n: source.read(n)[5:].decode() for n in names if source.read(n).startswith(b"DICM ")}
        self.names = frozenset(self._patients)
        self.left_out = {n: "a structured report" for n, patient in self._patients.items() if patient == "REPORT"}
        self.notes = {"policy": intensity}

    def patient_id(self, name):
        return "" if name in self.left_out else self._patients[name]

    def columns(self, name):
        return {"source_modality": "MR", "source_size": 2}

    def picture(self, name):
        if self._patients[name] == "BAD":
            raise ReadError("truncated pixel data")
        file = io.BytesIO()
        np.save(file, np.full((4, 4), 500, np.uint16))
        return file.getvalue()


@pytest.fixture
def dicom_stand_in(monkeypatch):
    module = types.ModuleType("medjax.datasets.dicom_images")
    module.DicomImages = StandIn
    StandIn.calls = []
    monkeypatch.setitem(sys.modules, "medjax.datasets.dicom_images", module)
    return StandIn
