"""Every benchmark starts from a fresh clone, alone, also where another package called `tests` is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "tests" / "bench").glob("*.py"))
BENCHES = [path for path in SCRIPTS if '__name__ == "__main__"' in path.read_text(encoding="utf-8")]
START = """
import contextlib, importlib, os, runpy, sys, traceback
for heavy in ("torch", "sklearn.metrics", "pandas", "scipy.stats", "PIL.Image", "sqlalchemy.orm"):
    with contextlib.suppress(ImportError):
        importlib.import_module(heavy)  # once; each benchmark imports the project's own modules itself
own = [name for name in sys.modules if name.split(".")[0] in ("tests", "tasks", "harness", "baselines")]
assert not own, own
for bench in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        name = os.path.splitext(os.path.basename(bench))[0]
        for descriptor, kind in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}.{kind}", os.O_WRONLY | os.O_CREAT), descriptor)
        sys.path[0], sys.argv = os.path.dirname(bench), [bench, "--help"]
        code = 1
        try:
            runpy.run_path(bench, run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(os.path.basename(bench), status)
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with what each benchmark printed for `--help`, and its exit code. They start as forks of one process."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "tests").mkdir()
    (folder / "tests" / "__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", START, *map(str, BENCHES)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return folder, dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.stem)
def test_a_benchmark_starts_beside_an_installed_package_called_tests(
    bench: Path, started: tuple[Path, dict[str, str]]
) -> None:
    folder, codes = started
    assert (codes[bench.name], (folder / f"{bench.stem}.err").read_text()) == ("0", "")
    assert "usage: " in (folder / f"{bench.stem}.out").read_text().lower()


@pytest.mark.slow
def test_the_bench_of_trainings_prints_rate_memory_seconds_and_score_of_the_baseline_beside_the_loop() -> None:
    words = ["hw5:simple", "--seconds", "12", "--device", "cpu", "--no-compile"]
    words += ["--set", "epochs=1", "--set", "dim=16", "--set", "batch_tokens=4096", "--set", "layers=1"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "bench" / "gpu.py"), *words], capture_output=True, text=True, check=True
    )
    head, made, loop, baseline = done.stdout.splitlines()
    assert head.startswith("no GPU, ")
    assert re.fullmatch(r"hw05: data of size small made in [\d.]+ s", made)
    row = r" +(?:[\d.]+|nan) steps/s  [\d.]+ GiB of the process +[\d.]+ s  "
    assert re.fullmatch(rf"hw05 simple  loop {row}(?:ended|stopped)", loop)
    assert re.fullmatch(rf"hw05 simple  baseline {row}(?:BLEU [\d.]+|stopped)", baseline)


QUICK = {
    "gradients": ["--pictures", "10", "--rounds", "1"],
    "training_hw01": ["--epochs", "2"],
    "training_hw02": ["--epochs", "2", "--level", "simple", "--device", "cpu"],
    "training_hw03": ["--epochs", "2", "--level", "simple", "--device", "cpu"],
    "training_hw04": ["--epochs", "2", "--level", "medium", "--device", "cpu"],
    "training_hw05": ["--epochs", "1", "--pairs", "200", "--device", "cpu"],
    "training_hw06": ["--epochs", "1", "--device", "cpu"],
    "training_hw07": ["--epochs", "2", "--level", "simple", "--device", "cpu"],
    "training_hw08": ["--epochs", "1", "--images", "128", "--level", "boss"],
    "training_hw11": ["--epochs", "2", "--level", "medium", "--device", "cpu"],
    "training_hw12": ["--iterations", "2"],
    "training_hw13": ["--epochs", "2", "--level", "medium", "--device", "cpu"],
    "training_hw14": ["--epochs", "1", "--level", "strong", "--device", "cpu"],
    "training_hw15": ["--epochs", "2", "--level", "medium", "--device", "cpu"],
}


SMALL_WORLDS = """
import runpy, sys
import pytest
from tests.conftest import few
if __name__ == "__main__":
    few(pytest.MonkeyPatch())
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.parametrize("bench", QUICK)
def test_the_benches_of_training_run_both_sides(bench: str) -> None:
    words = [sys.executable, "-c", SMALL_WORLDS, str(ROOT / "tests" / "bench" / f"{bench}.py"), *QUICK[bench]]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert re.search(r"ratio|×", done.stdout), done.stdout


def test_every_training_bench_is_tried() -> None:
    assert {bench.stem for bench in BENCHES if bench.stem.startswith("training_")} | {"gradients"} == QUICK.keys()


def test_make_bench_names_benchmarks_that_exist() -> None:
    (line,) = re.findall(r"^BENCHES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(line.split()) > 10
    assert set(line.split()) <= {bench.stem for bench in BENCHES}
