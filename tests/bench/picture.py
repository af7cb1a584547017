"""Make the picture of the README, a class's board in a real browser: `python tests/bench/picture.py`.

A course is made in a temporary folder, people submit ridge regressions of several strengths, the real server runs,
and Chromium shows one of them the board. Needs `playwright` and a Chromium on the PATH.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parents[2] / "docs" / "img" / "board.png"
PORT = 8677
CONFIG = f"""course = "Machine Learning, spring 2027"
[server]
port = {PORT}
[hw01]
deadline = "2027-03-26T23:59+08:00"
"""
PEOPLE = {
    "b01": ("Ada Lin", "Owls"), "b02": ("Ming Wang", ""), "b03": ("Eve Wu", ""), "b04": ("Kai Chen", "Owls"),
    "b05": ("Yuki Sato", ""), "b06": ("Chen Yu-Ting", "Gradient Descent"), "b07": ("Tom Huang", "Gradient Descent"),
    "b08": ("Sara Lopez", ""),
}  # fmt: skip
FILES = (
    ("b03", 1.0, 250), ("b05", 10.0, 150), ("Owls", 1.0, 600), ("b08", 1.0, 350), ("Gradient Descent", 1.0, 2700),
    ("Owls", 30.0, 2000), ("b02", 1.0, 1200), ("b05", 100.0, 500), ("Gradient Descent", 3.0, 2700),
)  # fmt: skip
"""The participant, the strength of the ridge, and the number of rows it is fitted on."""


def ridge(train: pd.DataFrame, test: pd.DataFrame, strength: float, rows: int, seed: int) -> pd.Series:
    """Predictions for the test rows."""
    some = train.sample(rows, random_state=seed)
    inputs, target = some.iloc[:, 1:-1], some.iloc[:, -1]
    mean, spread = inputs.mean(), inputs.std() + 1e-9
    x = ((inputs - mean) / spread).to_numpy()
    weights = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ (target - target.mean()).to_numpy())
    return (((test.iloc[:, 1:] - mean) / spread) @ weights + target.mean()).clip(0, 100)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        command = [sys.executable, "-c", "from harness.cli.main import main; main()", "--home", folder]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}

        def grader(*words: str) -> str:
            done = subprocess.run([*command, *words], env=environment, check=True, text=True, stdout=subprocess.PIPE)
            return done.stdout

        (home / "config.toml").write_text(CONFIG, encoding="utf-8")
        grader("prepare", "hw1")
        with (home / "people.csv").open("w", encoding="utf-8") as file:
            csv.writer(file).writerows([("id", "name", "team"), *((key, *who) for key, who in PEOPLE.items())])
        grader("roster", "import", str(home / "people.csv"), "--reason", "start of term", "--yes")
        train, test = (pd.read_csv(home / "public" / "hw01" / f"covid.{part}.csv") for part in ("train", "test"))
        for number, (who, strength, rows) in enumerate(FILES):
            answer = pd.DataFrame({"id": test["id"], "tested_positive": ridge(train, test, strength, rows, number)})
            answer.to_csv(home / "preds.csv", index=False)
            grader("submit", "hw1", str(home / "preds.csv"), "--as", who)
        invitation = re.search(r"lhy_[\w-]{43}", grader("roster", "invite", "b02", "--reason", "start", "--yes"))
        assert invitation is not None
        with subprocess.Popen(
            [*command, "serve"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as server:
            assert server.stdout is not None
            server.stdout.readline()
            time.sleep(5)
            picture(invitation[0], home / "board.png")
            server.terminate()
        image = Image.open(home / "board.png").convert("RGB").quantize(64, dither=Image.Dither.NONE)
        image.save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")


def picture(token: str, path: Path) -> None:
    """Signs in and saves the board as a picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1060, "height": 620}, device_scale_factor=1.5)
        page.goto(f"http://127.0.0.1:{PORT}/login")
        page.fill("input[name=token]", token)
        page.keyboard.press("Enter")
        page.get_by_text("Sign out").wait_for()
        page.goto(f"http://127.0.0.1:{PORT}/homeworks/hw01/board")
        page.get_by_text("boss bar").wait_for()
        page.screenshot(path=path, full_page=True)
        browser.close()


if __name__ == "__main__":
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    main()
