"""The entry point as a user starts it."""

import json
import subprocess
import sys

import pytest


def evaluate(*arguments):
    command = [sys.executable, "-m", "medjax.evaluate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_finished_run_is_reproduced_to_the_byte(finished, tmp_path):
    workdir, _ = finished
    before = (workdir / "evaluation.json").read_bytes()
    done = evaluate(f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("evaluation.json: reproduced")
    assert "DEMO" in done.stdout
    assert (workdir / "evaluation.json").read_bytes() == before
    file = tmp_path / "figures.json"
    done = evaluate(f"--predictions={workdir / 'predictions_test.csv'}", f"--output={file}")
    assert done.returncode == 0, done.stderr
    assert file.exists()


def test_one_of_the_two_is_needed():
    done = evaluate()
    assert done.returncode == 2
    assert "give either --workdir=RUN or --predictions=FILE.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_ensemble_needs_a_folder_of_its_own_and_the_line_says_so():
    done = evaluate("--runs=A,B")
    assert done.stderr == "medjax: --runs needs --workdir=FOLDER, the folder of the ensemble, which is made.\n"


CSV = """image_id,group_id,label,prob_ill,prob_well,sex
a,p,ill,0.75,0.25,f
b,q,well,0.5,0.5,m
c,q,well,0.25,0.75,f
"""


def test_a_table_is_judged_by_what_the_flags_say(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text(CSV)
    done = evaluate(
        f"--predictions={file}",
        "--primary=macro_auroc",
        "--subgroups=sex",
        "--prevalence=0.25,0.75",
        f"--output={file}.json",
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[4].startswith("Macro AUROC (one-vs-rest) (primary)")
    assert "mine, by sex:" in lines
    # 1/4 of ill called ill, 3/4 · 1/2 of well too
    assert any(line.split()[:3] == ["ill", "0.250", "0.400"] for line in lines)
    written = json.loads((tmp_path / "mine.csv.json").read_text())
    assert written["primary"] == "macro_auroc"
    assert list(written["splits"]["mine"]["subgroups"]["sex"]) == ["f", "m"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--prevalence=0.25,half"], "--prevalence=0.25,half: give numbers"),
        (["--subgroups=site"], "no column 'site'; columns of the images: sex"),
        (["--primary=f1"], "evaluation.primary='f1': must be one of"),
    ],
)
def test_a_flag_that_does_not_fit_is_one_line(flags, message, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text(CSV)
    done = evaluate(f"--predictions={file}", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_name_is_that_of_external_images():
    done = evaluate("--workdir=run", "--name=hospital")
    assert (done.returncode, done.stderr) == (2, "medjax: --name goes with --data.\n")


def test_a_run_is_judged_by_its_own_config():
    done = evaluate("--workdir=run", "--primary=mcc")
    assert done.returncode == 2
    assert "--primary goes with --predictions" in done.stderr
