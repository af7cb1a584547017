# %% [markdown]
# # HW1: regression
#
# From a few days of a survey in one state, predict the percentage of positive COVID-19 tests on
# the last day. `lhy-grade tasks hw1` has the rules, the files and the score.
#
# This is a first model that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes less than a minute on a laptop.

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
    "hidden": 64,  # Hint: deeper, wider
    "epochs": 300,
    "batch": 256,
    "lr": 1e-3,  # Hint: another rate or optimiser
    "weight_decay": 0.0,  # Hint: L2 regularisation
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw1`), or come from your course's server:
# log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in the
# environment, on Colab in its secrets. A token is a password: never write it into a notebook.

# %%
DATA = data_folder("hw1")
WORK = work_folder("hw1")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"

train = pd.read_csv(DATA / "covid.train.csv")
test = pd.read_csv(DATA / "covid.test.csv")
target = train.columns[-1]
yesterday = [name for name in test.columns if name.startswith("tested_positive")][-1]
print(f"{len(train)} rows to learn from, {len(test)} to predict, {train.shape[1]} columns")
print(train[[yesterday, target]].describe().round(2))

figure, axes = plt.subplots(figsize=(4, 4), layout="constrained")
axes.scatter(train[yesterday], train[target], s=2)
axes.set(xlabel="the day before", ylabel="the last day", title="tested positive, per cent")
figure.savefig(WORK / "data.png")

# %% [markdown]
# The columns are the `id`, a mark for each state, and the answers of each day. **Hint**: does every
# column help? Which one says nearly everything, and what is left to learn beside it? Is a division
# by 100 the right scale for every column?

# %%
features = list(test.columns[1:])
x, y = train[features].to_numpy(np.float32) / 100, train[target].to_numpy(np.float32)
x_test = test[features].to_numpy(np.float32) / 100

# %% [markdown]
# The windows of a state slide by one day, so a row held out at random is nearly a copy of its
# neighbours, and its loss flatters. A stretch is a chain of windows, each beginning on the second
# day of the one before; whole stretches are held out here. **Hint**: train several networks, each
# with other stretches held out.

# %%
begin = features.index("cli")  # behind the marks of the states
day = features.index("cli.1") - begin  # columns of a day
row_of = {row[begin : begin + day].tobytes(): place for place, row in enumerate(x)}
following = [row_of.get(row[begin + day : begin + 2 * day].tobytes(), -1) for row in x]
stretch = np.full(len(x), -1)
for place in sorted(set(range(len(x))) - set(following)):  # the first windows of the stretches
    row = place
    while row >= 0 and stretch[row] < 0:
        stretch[row], row = place, following[row]
held = np.isin(stretch, np.unique(stretch)[CONFIG["seed"] % 6 :: 6])


def tensor(values):
    return torch.from_numpy(values).to(device)


x_train, y_train = tensor(x[~held]), tensor(y[~held])
x_valid, y_valid = tensor(x[held]), tensor(y[held])
print(f"{len(x_train)} rows to train on, {len(x_valid)} to validate on")

# %% [markdown]
# ## Model

# %%
torch.manual_seed(CONFIG["seed"])
model = nn.Sequential(
    nn.Linear(len(features), CONFIG["hidden"]),
    nn.ReLU(),
    nn.Linear(CONFIG["hidden"], 1),
    nn.Flatten(0),
).to(device)
loss_of = nn.MSELoss()
optimiser = torch.optim.SGD(
    model.parameters(), CONFIG["lr"], momentum=0.9, weight_decay=CONFIG["weight_decay"]
)

# %% [markdown]
# ## Training
#
# If the machine is taken away, run everything again: it goes on after the last checkpoint.

# %%
CHECKPOINT, BEST = WORK / "checkpoint.pt", WORK / "best.pt"
history = []  # training and validation loss of each epoch


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
    torch.manual_seed(CONFIG["seed"] + epoch)  # the same order of rows if this epoch runs again
    model.train()
    total = 0.0
    for rows in torch.randperm(len(x_train)).split(CONFIG["batch"]):
        loss = loss_of(model(x_train[rows]), y_train[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(rows)

    model.eval()
    with torch.no_grad():
        valid = loss_of(model(x_valid), y_valid).item()
    if valid < min((before for _, before in history), default=float("inf")):
        save(BEST, model=model.state_dict())
    history.append((total / len(x_train), valid))
    if (epoch + 1) % 20 == 0 or epoch + 1 == CONFIG["epochs"]:
        parts = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
        save(CHECKPOINT, config=CONFIG, history=history, **parts)
        print(f"epoch {epoch + 1}: loss {history[-1][0]:.3f}, validation {valid:.3f}")

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(history, label=["training", "validation"])
axes.set(xlabel="epoch", ylabel="mean squared error", ylim=(0, 4 * min(v for _, v in history)))
axes.legend()
figure.savefig(WORK / "curves.png")

# %% [markdown]
# ## Submission
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
model.load_state_dict(torch.load(BEST, map_location=device, weights_only=True)["model"])
model.eval()
with torch.no_grad():
    predicted = model(tensor(x_test)).cpu().numpy()

FILE = WORK / "submission.csv"
answer = pd.DataFrame({"id": test["id"], "tested_positive": predicted.clip(0, 100)})
answer.to_csv(FILE, index=False)

# %%
print(check(FILE, "hw1"))
if SUBMIT:
    print(submit(FILE, "hw1", f"starter, run {CONFIG['run']}"))
