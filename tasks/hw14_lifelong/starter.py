# %% [markdown]
# # HW14: five tasks, one network
#
# A network learns five tasks one after another. What does it still know of the first one at the
# end? `lhy-grade tasks hw14` has the rules, the files and the score.
#
# This is a first program that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes a minute on a laptop with the small data.

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import torch
from safetensors.torch import save_file
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
    "epochs": 10,  # of each task
    "batch": 64,
    "lr": 1e-3,
}
SUBMIT = True  # False: only check the file
TASKS = 5

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw14`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.

# %%
DATA = data_folder("hw14")
WORK = work_folder("hw14")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"
names = ("images", "labels")
tasks = []  # pictures (n, 784) from 0 to 1, and their digits, of each task
for k in range(TASKS):
    folder = DATA / f"task_{k + 1}"
    x, y = (torch.from_numpy(np.load(folder / f"{n}.npy", allow_pickle=False)) for n in names)
    tasks.append(((x.flatten(1).float() / 255).to(device), y.long().to(device)))
    print(f"task {k + 1}: {len(y)} pictures")

figure, rows = plt.subplots(TASKS, 8, figsize=(6, 4))
for row, (x, _) in zip(rows, tasks, strict=True):
    for axes, picture in zip(row, x, strict=False):
        axes.imshow(picture.reshape(28, 28).cpu(), cmap="gray")
        axes.set_axis_off()
figure.savefig(WORK / "data.png")

# %% [markdown]
# There are no test pictures: a tenth of each task's training pictures says how well it is known.

# %%
held = [(x[::10], y[::10]) for x, y in tasks]
tasks = [(x[np.arange(len(x)) % 10 > 0], y[np.arange(len(y)) % 10 > 0]) for x, y in tasks]

# %% [markdown]
# ## Model
#
# The network is given, so that the course can run it.

# %%
form = json.loads((DATA / "format.json").read_text())
shapes = [one["shape"] for one in form["arrays"] if one["name"].startswith("after_1/")]
layers = []
for outputs, inputs in (shape for shape in shapes if len(shape) == 2):
    layers += [nn.Linear(inputs, outputs), nn.ReLU()]
torch.manual_seed(CONFIG["seed"])
model = nn.Sequential(*layers[:-1]).to(device)
loss_of = nn.CrossEntropyLoss()
optimiser = torch.optim.Adam(model.parameters(), CONFIG["lr"])


def accuracies():
    """How many of each task's held-out pictures the network names now."""
    with torch.no_grad():
        return [(model(x).argmax(1) == y).float().mean().item() for x, y in held]


# %% [markdown]
# ## Training
#
# If the machine is taken away, run everything again: it goes on after the last checkpoint.
#
# **Hint**: before the next task, find out which weights mattered to this one, and add to its loss
# how far they move. Or keep some pictures of this task, and train on them too.

# %%
CHECKPOINT = WORK / "checkpoint.pt"
after, matrix = [], []  # the weights after each task, and what they know of every task
done = 0


def save(path, **parts):
    new = path.with_suffix(".new")
    torch.save(parts, new)
    new.replace(path)  # whole or not at all


if CHECKPOINT.exists():
    saved = torch.load(CHECKPOINT, map_location=device, weights_only=True)
    if saved["config"] == CONFIG:
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        after, matrix, done = saved["after"], saved["matrix"], saved["done"]
        print(f"going on after epoch {done}")

for epoch in range(done, TASKS * CONFIG["epochs"]):
    task = epoch // CONFIG["epochs"]
    if epoch % CONFIG["epochs"] == 0:
        optimiser = torch.optim.Adam(model.parameters(), CONFIG["lr"])
    torch.manual_seed(CONFIG["seed"] + epoch)  # the same order if this epoch runs again
    x, y = tasks[task]
    for batch in torch.randperm(len(y)).to(device).split(CONFIG["batch"]):
        loss = loss_of(model(x[batch]), y[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    known = accuracies()
    if (epoch + 1) % CONFIG["epochs"] == 0:
        after.append({name: value.cpu().clone() for name, value in model.state_dict().items()})
        matrix.append(known)
    parts = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
    save(CHECKPOINT, config=CONFIG, after=after, matrix=matrix, done=epoch + 1, **parts)
    print(f"task {task + 1}, epoch {epoch + 1}: {' '.join(f'{one:.2f}' for one in known)}")

# %% [markdown]
# A row for each network, a column for each task.

# %%
print(np.array(matrix).round(2))
plt.matshow(matrix, vmin=0, vmax=1)
plt.savefig(WORK / "matrix.png")

# %% [markdown]
# ## Submission
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
FILE = WORK / "submission.safetensors"
arrays = {f"after_{k + 1}/{name}": v for k, state in enumerate(after) for name, v in state.items()}
save_file(arrays, FILE)

# %%
print(check(FILE, "hw14"))
if SUBMIT:
    print(submit(FILE, "hw14", f"starter, run {CONFIG['run']}"))
