# %% [markdown]
# # HW4: self-attention
#
# Which of the known speakers says this? `lhy-grade tasks hw4` has the rules, the files and the
# score.
#
# This is a first model that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes a minute or two on a laptop with the small data.

# %%
import json

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
    "frames": 128,  # of the part of an utterance that is learned from at a time
    "dim": 80,  # Hint: width, heads and layers of the Transformer
    "heads": 2,
    "epochs": 16,  # Hint: with changed utterances it pays to train much longer
    "batch": 32,
    "lr": 1e-3,  # Hint: a rate that rises first and then falls to nothing
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw4`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.

# %%
DATA = data_folder("hw4")
WORK = work_folder("hw4")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"

# The frames of all utterances, one after another.
features = np.load(DATA / "features.npy", mmap_mode="r", allow_pickle=False)
spoken = json.loads((DATA / "metadata.json").read_text())["speakers"]
asked = json.loads((DATA / "testdata.json").read_text())["utterances"]
numbers = json.loads((DATA / "mapping.json").read_text())["speaker2id"]
names = sorted(numbers, key=numbers.get)


def frames_of(utterance):
    """The log-mel spectrogram of an utterance (frames, 40)."""
    begin = utterance["offset"]
    return torch.from_numpy(features[begin : begin + utterance["mel_len"]].astype(np.float32))


known = [(one, numbers[name]) for name, some in spoken.items() for one in some]
order = torch.randperm(len(known), generator=torch.Generator().manual_seed(CONFIG["seed"])).tolist()
# Hint: utterances of one session are alike. Is a part drawn at random a fair test?
valid = [known[place] for place in order[: len(known) // 10]]
train = [known[place] for place in order[len(known) // 10 :]]
print(f"{len(names)} speakers, {len(train)} utterances to train on, {len(valid)} to validate on")
print(f"{len(asked)} to predict")

figure, axes = plt.subplots(4, 3, figsize=(9, 6))
for row, name in zip(axes, names, strict=False):
    for axis, utterance in zip(row, spoken[name], strict=False):
        axis.imshow(frames_of(utterance).T, origin="lower", aspect="auto")
        axis.set_title(name)
        axis.set_axis_off()
figure.savefig(WORK / "data.png")

# %% [markdown]
# **Hint**: a microphone adds the same to every frame of an utterance. What if you take the mean of
# each band away? And what if every part is heard through another microphone each time?


# %%
def part_of(utterance):
    """Some frames in a row, from anywhere in the utterance; a short one is repeated."""
    x = frames_of(utterance)
    x = x.repeat(-(-CONFIG["frames"] // len(x)), 1)
    begin = int(torch.randint(len(x) - CONFIG["frames"] + 1, ()))
    return x[begin : begin + CONFIG["frames"]]


# %% [markdown]
# ## Model
#
# **Hint**: a Conformer block has a convolution beside the attention. Not all frames say as much of
# a speaker: the mean over time can have weights that are learned.


# %%
class Model(nn.Module):
    def __init__(self, dim, heads, speakers):
        super().__init__()
        self.first = nn.Linear(40, dim)
        self.layer = nn.TransformerEncoderLayer(dim, heads, 256, batch_first=True)
        self.last = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, speakers))

    def forward(self, x):  # (n, frames, 40)
        x = self.layer(self.first(x))  # (n, frames, dim)
        return self.last(x.mean(dim=1))  # (n, speakers)


torch.manual_seed(CONFIG["seed"])
model = Model(CONFIG["dim"], CONFIG["heads"], len(names)).to(device)
loss_of = nn.CrossEntropyLoss()  # Hint: additive-margin softmax
optimiser = torch.optim.AdamW(model.parameters(), CONFIG["lr"])


def predict(utterances):
    """The number of the speaker of each whole utterance."""
    model.eval()
    with torch.no_grad():
        return [int(model(frames_of(one)[None].to(device)).argmax()) for one in utterances]


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
    losses = []
    for rows in torch.randperm(len(train)).split(CONFIG["batch"]):
        x = torch.stack([part_of(train[row][0]) for row in rows]).to(device)
        y = torch.tensor([train[row][1] for row in rows], device=device)
        loss = loss_of(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    right = [
        guess == y for guess, (_, y) in zip(predict([x for x, _ in valid]), valid, strict=True)
    ]
    accuracy = sum(right) / len(right)
    if accuracy > max((before for _, before in history), default=-1):
        save(BEST, model=model.state_dict())
    history.append((sum(losses) / len(losses), accuracy))
    parts = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
    save(CHECKPOINT, config=CONFIG, history=history, **parts)
    print(f"epoch {epoch + 1}: loss {history[-1][0]:.3f}, validation accuracy {accuracy:.3f}")

# %% [markdown]
# ## Submission
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
model.load_state_dict(torch.load(BEST, map_location=device, weights_only=True)["model"])
FILE = WORK / "submission.csv"
ids = [one["feature_path"] for one in asked]
guesses = [names[number] for number in predict(asked)]
pd.DataFrame({"Id": ids, "Category": guesses}).to_csv(FILE, index=False)

# %%
print(check(FILE, "hw4"))
if SUBMIT:
    print(submit(FILE, "hw4", f"starter, run {CONFIG['run']}"))
