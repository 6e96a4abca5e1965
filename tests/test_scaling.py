"""The same run on 1, 2, 4 and 8 devices and on 2 processes: same batches, same losses."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest


def launch(processes=1, devices=1, **how):
    """Start a run of tests/scaled_run.py; returns its processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
        "JAX_ENABLE_X64": str(int(how.get("dtype", "float64") == "float64")),
    }
    return [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.scaled_run"),
                json.dumps({"devices": devices, "processes": processes, "process": process, "port": port, **how}),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for process in range(processes)
    ]


def run(**how):
    """Run to the end; returns what the leader printed. The others print nothing."""
    started = launch(**how)
    outputs = [process.communicate(timeout=300) for process in started]
    for process, (_, errors) in zip(started, outputs, strict=True):
        assert process.returncode == 0, errors
    assert not any("losses" in out for out, _ in outputs[1:])
    return json.loads(outputs[0][0].splitlines()[-1])


@pytest.fixture(scope="module")
def alone():
    return run()


@pytest.mark.parametrize(
    "how",
    [
        {"devices": 2, "placement": "device"},
        {"devices": 4, "placement": "sharded"},
        {"devices": 8},
        {"devices": 2, "processes": 2},
        pytest.param({"devices": 2, "processes": 2, "placement": "sharded"}, marks=pytest.mark.nightly),
    ],
    ids=str,
)
def test_devices_and_processes_change_nothing(how, alone):
    found = run(**how)
    assert found["batches"] == alone["batches"]
    assert len(found["losses"]) == 20
    np.testing.assert_allclose(found["losses"], alone["losses"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found["logits"], alone["logits"], rtol=0, atol=1e-9)


def test_in_float32_the_first_loss_is_that_of_one_device():
    one, eight = run(dtype="float32", until=1), run(dtype="float32", until=1, devices=8)
    np.testing.assert_allclose(eight["losses"], one["losses"], rtol=1e-5)


@pytest.mark.nightly
def test_an_accumulated_batch_does_not_depend_on_the_devices_either():
    one, four = run(accumulate=2), run(accumulate=2, devices=4, placement="device")
    np.testing.assert_allclose(four["losses"], one["losses"], rtol=0, atol=1e-9)


def test_a_run_goes_on_with_fewer_devices(alone, tmp_path):
    parts = []
    for devices, processes, until in ((2, 2, 7), (2, 1, 13), (1, 1, 20)):
        part = run(devices=devices, processes=processes, until=until, checkpoints=str(tmp_path))
        assert part["first"] == len(parts)
        parts += zip(part["batches"], part["losses"], strict=True)
    batches, losses = zip(*parts, strict=True)
    assert list(batches) == alone["batches"]
    np.testing.assert_allclose(losses, alone["losses"], rtol=0, atol=1e-9)
