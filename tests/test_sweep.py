"""Sweeps: what a file expands to, and how its runs are started, stopped, left out and compared."""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from medjax import config as configuration
from medjax.errors import UserError
from medjax.sweep import expand, is_finished
from medjax.sweep_file import read_sweep

pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # of ml_collections

SCRIPT = pathlib.Path("launch/sweep.py").absolute()
TINY = 'configs = ["tests/configs/tiny.py"]\n'


def sweep_file(folder, text):
    file = folder / "sweep.toml"
    file.write_text(text)
    return file


@pytest.fixture
def read(tmp_path):
    return lambda text: read_sweep(sweep_file(tmp_path, text))


@pytest.fixture
def launcher():
    """launch/sweep.py as a module of its own; its flags are gone again afterwards, and those they hid are back."""
    from absl import flags

    own = re.findall(r'DEFINE_\w+\(\s*"([\w-]+)"', SCRIPT.read_text())
    hidden = {name: flags.FLAGS[name] for name in own if name in flags.FLAGS}
    for name in hidden:
        delattr(flags.FLAGS, name)
    known = set(flags.FLAGS)
    spec = importlib.util.spec_from_file_location("sweep_launcher", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path
    for name in set(flags.FLAGS) - known:
        delattr(flags.FLAGS, name)
    for name, flag in hidden.items():
        flags.FLAGS[name] = flag


def test_a_grid_is_every_combination_in_the_order_written(read):
    sweep = read(
        TINY + '[grid]\nbatch_size = [8, 16]\noptimizer.name = ["sgd"]\n"augment.flip_vertical" = [true, false]'
    )
    assert sweep.points == tuple(
        {"batch_size": size, "optimizer.name": "sgd", "augment.flip_vertical": flip}
        for size in (8, 16)
        for flip in (True, False)
    )
    assert (sweep.seeds, sweep.folds) == ((), 0)


RANDOM = """[random]
draws = {draws}
seed = {seed}
uniform.augment.zoom = [0.1, 0.2]
log_uniform.optimizer.learning_rate = [1e-4, 1e-2]
choice.batch_size = [16, 32, 64]
"""


def test_draws_are_pure_functions_of_seed_number_and_field(read):
    points = read(TINY + RANDOM.format(draws=4, seed=0)).points
    assert points[0] == {"augment.zoom": 0.19508, "optimizer.learning_rate": 0.000395356, "batch_size": 16}
    assert read(TINY + RANDOM.format(draws=6, seed=0)).points[:4] == points
    assert read(TINY + RANDOM.format(draws=4, seed=1)).points != points
    alone = read(TINY + "[random]\ndraws = 4\nseed = 0\nchoice.batch_size = [16, 32, 64]").points
    assert [point["batch_size"] for point in alone] == [point["batch_size"] for point in points]


def test_draws_fill_their_ranges_evenly(read):
    points = read(TINY + RANDOM.format(draws=3000, seed=5)).points
    zooms = sorted(point["augment.zoom"] for point in points)
    rates = sorted(point["optimizer.learning_rate"] for point in points)
    assert 0.1 <= zooms[0] < 0.101
    assert 0.199 < zooms[-1] <= 0.2
    assert zooms[1500] == pytest.approx(0.15, abs=0.003)
    assert rates[0] >= 1e-4
    assert rates[-1] <= 1e-2
    assert rates[1500] == pytest.approx(1e-3, rel=0.2)
    sizes = [point["batch_size"] for point in points]
    assert all(sizes.count(size) == pytest.approx(1000, abs=100) for size in (16, 32, 64))


def test_every_draw_goes_with_every_point_of_the_grid(read):
    points = read(TINY + "[grid]\nseed_free.x = [1, 2]\n" + RANDOM.format(draws=3, seed=0)).points
    assert [point["seed_free.x"] for point in points] == [1, 1, 1, 2, 2, 2]
    assert points[0]["augment.zoom"] == points[3]["augment.zoom"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("configs = [", "is not TOML"),
        ("seeds = [0]", "configs=[]"),
        ("configs = []", "configs=[]"),
        (TINY + "seeds = 3", "seeds=3: must be a list of integers"),
        (TINY + "seeds = [true]", "seeds=[True]"),
        (TINY + "folds = 1", "folds=1: must be an integer of at least 2"),
        (TINY + "[gird]", "'gird' is not understood in the file"),
        (TINY + "[grid]\nbatch_size = 8", "grid.batch_size=8: must be a list"),
        (TINY + "[grid]\nbatch_size = []", "grid.batch_size=[]"),
        (TINY + "[grid]\nseed = [1]", "`seeds`"),
        (TINY + '[grid]\na.b = [1]\n"a.b" = [2]', "grid.a.b=[2]: must be given once"),
        (TINY + "[random]\nseed = 0", "random.draws=0"),
        (TINY + "[random]\ndraws = 1", "random.seed=None"),
        (TINY + "[random]\ndraws = 1\nseed = 0\nnormal.x = [0, 1]", "'normal' is not understood in [random]"),
        (TINY + "[random]\ndraws = 1\nseed = 0\nuniform.x = [1, 0]", "two numbers that rise"),
        (TINY + "[random]\ndraws = 1\nseed = 0\nuniform.x = [0, inf]", "two numbers that rise"),
        (TINY + "[random]\ndraws = 1\nseed = 0\nlog_uniform.x = [0, 1]", "must be above 0"),
        (TINY + "[random]\ndraws = 1\nseed = 0\nuniform.x = [0, 1]\nchoice.x = [1]", "in one way only"),
        (TINY + "[grid]\nx = [1]\n[random]\ndraws = 1\nseed = 0\nchoice.x = [1]", "leave one of them out"),
        (TINY + "[grid]\n" + "".join(f"a{i} = [{'0,' * 100}]\n" for i in range(5)), "more than 10,000 runs"),
        (TINY + "seeds = [0, 1]\nfolds = 1000000000", "more than 10,000 runs"),
        (TINY + "[random]\ndraws = 1000000000\nseed = 0\nuniform.x = [0, 1]", "more than 10,000 runs"),
        (TINY + "[random]\ndraws = 1\nseed = 0\nuniform.x = [0, 1" + "0" * 400 + "]", "too large to convert to float"),
        (TINY + "[grid]\nx = " + "[" * 100_000, "is not TOML that can be read"),
        (TINY + "[grid]\n" + "a." * 3000 + "a = [1]", "is not TOML that can be read"),
    ],
)
def test_what_a_file_may_not_say_is_one_line(read, text, told):
    with pytest.raises(UserError) as error:
        read(text)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_runs_have_folders_of_their_own_and_the_configs_that_main_would_make(read):
    runs = expand(
        read(TINY + "seeds = [3, 4]\n[grid]\nlabel_smoothing = [0.5]\ndata.input_columns = [[]]"), ["--config.fold=-1"]
    )
    assert [run.config.seed for run in runs] == [3, 4]
    assert [run.name[:5] + run.name[13:] for run in runs] == ["tiny--seed3", "tiny--seed4"]
    assert len({run.name[5:13] for run in runs}) == 1
    assert runs[0].config.max_epochs == 3  # resolved
    assert runs[0].arguments == (
        "--config=tests/configs/tiny.py",
        "--config.fold=-1",
        "--config.label_smoothing=0.5",
        "--config.data.input_columns=()",
        "--config.seed=3",
    )


def test_without_overrides_a_run_is_called_what_its_config_is_called(read):
    assert [run.name for run in expand(read(TINY))] == ["tiny"]


def test_the_same_run_is_made_once(read):
    runs = expand(read(TINY + "seeds = [0, 1, 0]\n[grid]\nlabel_smoothing = [0, 0.0]"))
    assert [run.config.seed for run in runs] == [0, 1]


def test_folds_are_runs_that_another_pools(read):
    runs = expand(read(TINY + "folds = 2\nseeds = [5]"))
    assert [(run.name, run.config.fold, run.folds) for run in runs] == [
        ("tiny-seed5/fold0", 0, ()),
        ("tiny-seed5/fold1", 1, ()),
        ("tiny-seed5", -1, ("tiny-seed5/fold0", "tiny-seed5/fold1")),
    ]
    assert {(run.config.folds, run.config.seed) for run in runs} == {(2, 5)}


@pytest.mark.parametrize(
    ("text", "given", "told"),
    [
        ("[grid]\noptimizer.learning_rat = [1]", [], "learning_rate"),
        ('[grid]\nbatch_size = ["many"]', [], "batch_size"),
        ("[grid]\nbatch_size = [8, 0]", [], "must be at least 1"),
        ("[grid]\nbatch_size = [2026-01-01]", [], "must be a number"),
        ("seeds = [1]", ["--config.seed=2"], "--config.seed is set by the sweep file"),
        ("seeds = [1]", ["--config=configs/my_images.py"], "--config is set by the sweep file"),
        ("seeds = [1]", ["--workdir=x"], "workdir"),
        ("seeds = [1]", ["word"], "'word' is not understood"),
    ],
)
def test_a_wrong_override_is_refused_before_anything_starts(read, text, given, told):
    with pytest.raises(UserError) as error:
        expand(read(TINY + text), given)
    assert told in str(error.value)


def test_two_runs_never_share_a_folder(read, tmp_path):
    other = tmp_path / "other.py"
    other.write_text(pathlib.Path("tests/configs/tiny.py").read_text().replace("128", "64"))
    with pytest.raises(UserError, match="two different runs would be tiny"):
        expand(read(f'configs = ["tests/configs/tiny.py", "{other}"]'))


def pretend(run, folder, *, finished=True):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(configuration.settings(run.config)))
    for name in ("predictions_test.csv", "evaluation.json", *(["report.html"] if finished else [])):
        (folder / name).touch()


def test_finished_is_what_is_whole_and_has_the_same_config(read, tmp_path):
    first, second = expand(read(TINY + "seeds = [0, 1]"))
    assert not is_finished(first, tmp_path / "none")
    pretend(first, tmp_path / "whole")
    pretend(first, tmp_path / "half", finished=False)
    assert is_finished(first, tmp_path / "whole")
    assert not is_finished(first, tmp_path / "half")
    with pytest.raises(UserError, match="seed: 0 there, 1 here"):
        is_finished(second, tmp_path / "whole")


def test_the_example_is_the_comparison_of_the_readme():
    runs = expand(read_sweep(pathlib.Path("configs/sweeps/brain_tumor_64.toml")))
    assert [run.name for run in runs] == [
        f"{network}_brain_tumor_64-seed{seed}" for network in ("cnn", "spatial_cnn", "resnet18") for seed in range(3)
    ]


def stand_in(launcher, monkeypatch, folder, body):
    """Let a script be launch/local.sh: it runs in `folder`; `$run` is the run's own folder."""
    script = folder / "local.sh"
    script.write_text(f'#!/bin/bash\nrun="${{@: -1}}"; run="${{run#--workdir=}}"; cd {folder} || exit 99\n{body}\n')
    script.chmod(0o755)
    monkeypatch.setattr(launcher, "LAUNCH", folder)


def test_a_failure_stops_no_other_run_but_what_pools_it(launcher, monkeypatch, tmp_path, read, capsys):
    stand_in(launcher, monkeypatch, tmp_path, 'case $run in *seed1/fold0) echo "what is wrong"; exit 2;; esac')
    runs, statuses = expand(read(TINY + "folds = 2\nseeds = [1, 2]")), {}
    assert launcher.run_here(runs, tmp_path / "sweep", [""], statuses) is None
    assert statuses == {
        "tiny-seed1/fold0": 2,
        "tiny-seed1/fold1": 0,
        "tiny-seed2/fold0": 0,
        "tiny-seed2/fold1": 0,
        "tiny-seed2": 0,
    }
    assert list(statuses)[-1] == "tiny-seed2"
    launcher._print_table(runs, tmp_path / "sweep", statuses)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["failed    tiny-seed1/fold0  seed=1 folds=2 fold=0", "          status 2: what is wrong"]
    assert lines[3].startswith("to do     tiny-seed1  ")


def test_as_many_run_at_once_as_there_are_gpus_and_each_has_its_own(launcher, monkeypatch, tmp_path, read):
    body = 'mkdir "gpu$CUDA_VISIBLE_DEVICES" || exit 1\n'
    body += 'echo "$CUDA_VISIBLE_DEVICES" >> used; ls -d gpu* | wc -l >> going\n'
    stand_in(launcher, monkeypatch, tmp_path, body + 'sleep 0.3; rmdir "gpu$CUDA_VISIBLE_DEVICES"')
    statuses = {}
    launcher.run_here(expand(read(TINY + "seeds = [0, 1, 2, 3, 4]")), tmp_path / "sweep", ["4", "7"], statuses)
    assert set(statuses.values()) == {0}
    assert set((tmp_path / "used").read_text().split()) == {"4", "7"}
    assert max(map(int, (tmp_path / "going").read_text().split())) == 2


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_is_passed_on_once_and_nothing_more_starts(number, status, tmp_path):
    shutil.copytree("launch", tmp_path / "launch")
    (tmp_path / "launch" / "local.sh").write_text(
        f"#!/bin/bash\ncd {tmp_path}\ntrap 'echo INT >> heard; exit 130' INT\ntrap 'echo TERM >> heard; exit 75' TERM\n"
        "touch started\nwhile :; do sleep 0.05; done\n"
    )
    command = [
        sys.executable,
        tmp_path / "launch" / "sweep.py",
        f"--sweep={sweep_file(tmp_path, TINY + 'seeds=[0, 1]')}",
    ]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(
        [*command, f"--workdir={tmp_path / 'runs'}"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "started").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
    assert (tmp_path / "heard").read_text() == f"{number.name[3:]}\n"
    assert [line[:17] for line in output.decode().splitlines()] == ["to do     tiny-se"] * 2
    assert b"the same command goes on" in errors
    assert not (tmp_path / "runs" / "tiny-seed1").exists()


def sweep(file, workdir, *arguments, path=""):
    environment = {
        **os.environ,
        "PATH": f"{path}:{os.environ['PATH']}",
        "PYTHONPATH": os.getcwd(),
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, SCRIPT, f"--sweep={file}", f"--workdir={workdir}", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def test_on_slurm_each_task_of_the_array_is_a_run_and_the_comparison_waits(tmp_path):
    (tmp_path / "sbatch").write_text(
        f'#!/bin/bash\nprintf "%s\\n" "$*" >> "{tmp_path}/submitted"\nwc -l < "{tmp_path}/submitted"\n'
        "tasks=()\nfor a; do case $a in --array=0-*) last=${a#--array=0-}; last=${last%\\%*};; esac; done\n"
        "while [[ $1 == --* ]]; do shift; done\n[[ -z ${1:-} ]] && exit\n"
        'for ((i = 0; i <= last; i++)); do SLURM_ARRAY_TASK_ID=$i SLURM_JOB_ID=1 bash "$@" >&2; done\n'
    )
    (tmp_path / "srun").write_text(f'#!/bin/bash\nprintf "%s|" "$@" >> "{tmp_path}/ran"\necho >> "{tmp_path}/ran"\n')
    for name in ("sbatch", "srun"):
        (tmp_path / name).chmod(0o755)
    file = sweep_file(tmp_path, TINY + 'folds = 2\n[grid]\nevaluation.subgroups = [["a b"]]')
    workdir = tmp_path / "the runs"
    done = sweep(file, workdir, "--slurm", "--jobs=3", "--sbatch=--gpus-per-node=1 --time=60", path=tmp_path)
    assert done.returncode == 0, done.stderr
    first, pooled, last = (tmp_path / "submitted").read_text().splitlines()
    assert first.startswith(f"--parsable --array=0-1%3 --output={workdir}/runs-%a.txt --gpus-per-node=1 --time=60 /")
    assert "--array=0-0%3" in pooled
    assert "--dependency=afterany:1 " in pooled
    assert "--dependency=afterany:2 --wrap=python " in last
    assert "--collect" in last
    ran = [line.rstrip("|").split("|") for line in (tmp_path / "ran").read_text().splitlines()]
    assert [line[-1].removeprefix(f"--workdir={workdir}/")[13:] for line in ran] == ["/fold0", "/fold1", ""]
    assert ran[0][:4] == ["--kill-on-bad-exit=1", "python", "-m", "medjax.main"]
    assert ran[0][4:6] == ["--config=tests/configs/tiny.py", "--config.evaluation.subgroups=('a b',)"]


def test_a_refusal_of_sbatch_is_one_line(tmp_path):
    (tmp_path / "sbatch").write_text("#!/bin/sh\necho 'no such partition' >&2; exit 1\n")
    (tmp_path / "sbatch").chmod(0o755)
    done = sweep(sweep_file(tmp_path, TINY), tmp_path / "runs", "--slurm", path=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "medjax: sbatch refused: no such partition")


@pytest.mark.nightly
def test_a_sweep_ends_in_a_comparison_and_the_same_command_makes_nothing_twice(tmp_path):
    file = sweep_file(tmp_path, TINY + "seeds = [0, 1]\n[grid]\nphantom.max_epochs = [1]")
    given = ("--jobs=2", "--", f"--config.data.cache={tmp_path / 'cache'}", "--no-images")
    done = sweep(file, tmp_path / "runs", *given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[:2]] == ["finished"] * 2
    assert done.stdout.splitlines()[2].startswith("DEMO")
    assert (tmp_path / "runs" / "comparison.html").exists()
    folders = sorted(path.parent for path in tmp_path.glob("runs/*/evaluation.json"))
    assert len(folders) == 2
    assert "run folder" in (folders[0] / "log.txt").read_text()
    before = [(folder / "evaluation.json").stat().st_mtime_ns for folder in folders]
    again = sweep(file, tmp_path / "runs", "--jobs=2", "--", f"--config.data.cache={tmp_path / 'moved'}", "--no-images")
    assert again.returncode == 0, again.stderr
    assert "2 runs, 2 of them finished before" in again.stderr
    assert [(folder / "evaluation.json").stat().st_mtime_ns for folder in folders] == before
    assert again.stdout == done.stdout
