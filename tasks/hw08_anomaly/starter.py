# %% [markdown]
# # HW8: anomaly detection
#
# All training images are faces; half of the test images are not. Score each: higher for one that is
# less like a face. `lhy-grade tasks hw8` has the rules, the files and the score.
#
# This is a first model that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes a minute or two on a laptop with the small data.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch import nn

from harness.notebook import check, data_folder, submit, work_folder

# %% [markdown]
# ## Settings
#
# Change one thing at a time, and write down what it did.

# %%
CONFIG = {
    "run": 1,  # the same settings go on where they stopped; after a change of code, count on
    "seed": 0,
    "units": (128, 64, 12, 3),  # of the encoder, down to the code. Hint: how narrow must it be?
    "epochs": 15,
    "batch": 64,
    "lr": 1e-3,
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw8`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.
#
# The folder and the header of the submission are those of 2021 or of 2022.

# %%
DATA = data_folder("hw8")
WORK = work_folder("hw8")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"

FOLDER = next(DATA / name for name in ("data-bin", "data") if (DATA / name).is_dir())
HEADER = ["Id", "Predicted"] if FOLDER.name == "data-bin" else ["ID", "score"]

images = torch.from_numpy(np.load(FOLDER / "trainingset.npy", allow_pickle=False))
test = torch.from_numpy(np.load(FOLDER / "testingset.npy", allow_pickle=False))
print(f"{len(images)} faces to learn from, {len(test)} images to score, {list(images.shape[1:])}")


def show(pixels, name):
    figure, axes = plt.subplots(len(pixels) // 12, 12, figsize=(12, len(pixels) / 12))
    for one, picture in zip(axes.flat, pixels, strict=True):
        one.imshow(picture.numpy())
        one.set_axis_off()
    figure.savefig(WORK / name)


show(torch.cat([images[:24], test[:24]]), "data.png")  # two rows of faces, two of the test

# %% [markdown]
# Some faces are held out: a network that only remembers its training images rebuilds them worse.
# There is no anomaly among them, so this says how well faces are rebuilt, not how well anomalies
# are found. **Hint**: make anomalies yourself, from faces, and look at whether they stand out.

# %%
order = torch.randperm(len(images), generator=torch.Generator().manual_seed(CONFIG["seed"]))
valid, train = images[order[: len(images) // 10]], images[order[len(images) // 10 :]]


def prepared(pixels):
    """Images (n, 64, 64, 3) of bytes as rows (n, 12288) in -1 to 1."""
    return pixels.to(device).flatten(1).float() / 127.5 - 1


# %% [markdown]
# ## Model
#
# An autoencoder brings an image through a narrow code and rebuilds it. What it never saw it should
# rebuild badly. **Hint**: convolutions; batch normalisation; several encoders. Does a network that
# rebuilds everything find anything?

# %%
torch.manual_seed(CONFIG["seed"])
sizes = [64 * 64 * 3, *CONFIG["units"]]
sizes += sizes[-2::-1]  # the decoder is the encoder turned round
layers = []
for before, after in pairwise(sizes):
    layers += [nn.Linear(before, after), nn.ReLU()]
model = nn.Sequential(*layers[:-1], nn.Tanh()).to(device)
loss_of = nn.MSELoss()
optimiser = torch.optim.Adam(model.parameters(), CONFIG["lr"])


def score(pixels):
    """How badly each image is rebuilt (n,). Hint: is what is easy to rebuild always a face?"""
    model.eval()
    with torch.no_grad():
        rows = [prepared(part) for part in pixels.split(256)]
        return torch.cat([(model(x) - x).square().sum(1).sqrt().cpu() for x in rows])


# %% [markdown]
# ## Training
#
# If the machine is taken away, run everything again: it goes on after the last checkpoint.

# %%
CHECKPOINT = WORK / "checkpoint.pt"
history = []  # training loss, and how badly held-out faces are rebuilt, of each epoch


def save(path, **parts):
    new = path.with_suffix(".new")
    torch.save(parts, new)
    new.replace(path)  # whole or not at all


if CHECKPOINT.exists():
    saved = torch.load(CHECKPOINT, map_location=device, weights_only=True)
    if saved["config"] == CONFIG:
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        history = saved["history"]
        print(f"going on after epoch {len(history)}")

for epoch in range(len(history), CONFIG["epochs"]):
    torch.manual_seed(CONFIG["seed"] + epoch)  # the same order if this epoch runs again
    model.train()
    total = 0.0
    for rows in torch.randperm(len(train)).split(CONFIG["batch"]):
        x = prepared(train[rows])
        loss = loss_of(model(x), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(rows)

    history.append((total / len(train), score(valid).mean().item()))
    parts = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
    save(CHECKPOINT, config=CONFIG, history=history, **parts)
    print(f"epoch {epoch + 1}: loss {history[-1][0]:.4f}, held-out faces {history[-1][1]:.2f}")

# %% [markdown]
# The test images in the order of their scores: the least strange ones, then the strangest. Which
# anomalies does it find, and which not?

# %%
scores = score(test)
ranked = scores.argsort()
show(torch.cat([test[ranked[:24]], test[ranked[-24:]]]), "ranked.png")

# %% [markdown]
# ## Submission
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
FILE = WORK / "submission.csv"
pd.DataFrame({HEADER[0]: range(len(test)), HEADER[1]: scores.numpy()}).to_csv(FILE, index=False)

# %%
print(check(FILE, "hw8"))
if SUBMIT:
    print(submit(FILE, "hw8", f"starter, run {CONFIG['run']}"))
