# %% [markdown]
# # HW2: which phoneme is in a frame of speech?
#
# Every 10 milliseconds of speech are 39 numbers. Which of 39 sounds is spoken there?
# `lhy-grade tasks hw2` has the rules, the files and the score.
#
# This is a first model that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes a minute on a laptop with the small data.

# %%
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
    "around": 1,  # frames on each side of the one that is decided. Hint: with 5 it sees eleven
    "hidden": 256,
    "epochs": 8,  # Hint: with dropout it pays to train longer
    "batch": 256,
    "lr": 1e-3,  # Hint: a rate that falls to nothing
    "weight_decay": 1e-2,
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw2`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.

# %%
DATA = data_folder("hw2")
WORK = work_folder("hw2")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"


def read(part):
    """The frames of a part (n, 39), and the table of its utterances."""
    table = pd.read_csv(DATA / part / "utterances.csv")
    frames = torch.from_numpy(np.load(DATA / part / "features.npy", allow_pickle=False))
    # Hint: bring each utterance to mean 0 and spread 1 here, so that every microphone is alike.
    return frames, table


x, table = read("train")
y = torch.from_numpy(np.load(DATA / "train" / "labels.npy", allow_pickle=False))
x_test, table_test = read("test")
classes = int(y.max()) + 1
print(f"{len(table)} utterances, {len(x)} frames; {len(x_test)} frames to predict")

figure, axes = plt.subplots(2, sharex=True, figsize=(9, 4))
first = slice(0, int(table.length[0]))
axes[0].imshow(x[first, :13].T, aspect="auto", origin="lower")
axes[1].plot(y[first], drawstyle="steps-mid")
axes[1].set(xlabel="frame", ylabel="class")
figure.savefig(WORK / "data.png")

# %% [markdown]
# Frames of one utterance are alike: whole utterances validate, or the accuracy would say too much.

# %%
STEPS = torch.arange(-CONFIG["around"], CONFIG["around"] + 1)


def neighbours(table):
    """The rows of the frames around each frame (n, 2 * around + 1), within its utterance."""
    rows = []
    for low, length in zip(table.offset, table.length, strict=True):
        places = torch.arange(low, low + length)[:, None] + STEPS
        rows.append(places.clamp(int(low), int(low + length) - 1))
    return torch.cat(rows)


near, near_test = neighbours(table), neighbours(table_test)
held = np.repeat(table.utterance % 10 == 0, table.length).to_numpy()
train_rows, valid_rows = (torch.from_numpy(np.flatnonzero(part)) for part in (~held, held))

# %% [markdown]
# ## Model
#
# **Hint**: more and wider layers, batch normalisation, dropout. Or let an LSTM read the utterance.

# %%
torch.manual_seed(CONFIG["seed"])
model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(39 * len(STEPS), CONFIG["hidden"]),
    nn.ReLU(),
    nn.Linear(CONFIG["hidden"], CONFIG["hidden"]),
    nn.ReLU(),
    nn.Linear(CONFIG["hidden"], classes),
).to(device)
loss_of = nn.CrossEntropyLoss()
optimiser = torch.optim.AdamW(model.parameters(), CONFIG["lr"], weight_decay=CONFIG["weight_decay"])


def predict(frames, near):
    """The class of each row of `near` (n,). Hint: a sound lasts; smooth over the frames."""
    model.eval()
    with torch.no_grad():
        parts = [model(frames[rows].to(device)).argmax(1).cpu() for rows in near.split(4096)]
    return torch.cat(parts)


# %% [markdown]
# ## Training
#
# If the machine is taken away, run everything again: it goes on after the last checkpoint.

# %%
CHECKPOINT, BEST = WORK / "checkpoint.pt", WORK / "best.pt"
history = []  # training loss and validation accuracy of each epoch


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
    for part in torch.randperm(len(train_rows)).split(CONFIG["batch"]):
        rows = train_rows[part]
        loss = loss_of(model(x[near[rows]].to(device)), y[rows].to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(rows)

    accuracy = (predict(x, near[valid_rows]) == y[valid_rows]).float().mean().item()
    if accuracy > max((before for _, before in history), default=-1):
        save(BEST, model=model.state_dict())
    history.append((total / len(train_rows), accuracy))
    parts = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
    save(CHECKPOINT, config=CONFIG, history=history, **parts)
    print(f"epoch {epoch + 1}: loss {history[-1][0]:.3f}, validation accuracy {accuracy:.3f}")

# %% [markdown]
# Which classes does it mistake for which?

# %%
model.load_state_dict(torch.load(BEST, map_location=device, weights_only=True)["model"])
guess = predict(x, near[valid_rows])
wrong = pd.DataFrame({"is": y[valid_rows], "taken for": guess})[(guess != y[valid_rows]).numpy()]
print(wrong.value_counts().head(10))

# %% [markdown]
# ## Submission
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
FILE = WORK / "submission.csv"
pd.DataFrame({"Class": predict(x_test, near_test)}).to_csv(FILE, index_label="Id")

# %%
print(check(FILE, "hw2"))
if SUBMIT:
    print(submit(FILE, "hw2", f"starter, run {CONFIG['run']}"))
