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


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.stem)
def test_a_benchmark_starts_beside_an_installed_package_called_tests(bench: Path, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, str(bench), "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: " in done.stdout.lower()


def test_make_bench_names_benchmarks_that_exist() -> None:
    (line,) = re.findall(r"^BENCHES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(line.split()) > 10
    assert set(line.split()) <= {bench.stem for bench in BENCHES}
