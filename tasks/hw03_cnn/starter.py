# %% [markdown]
# # HW3: a convolutional network
#
# Which of eleven kinds of dish does a picture show? `lhy-grade tasks hw3` has the rules, the files
# and the score.
#
# This is a first model that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes a minute or two on a laptop with the small pictures.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from PIL import Image
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
    "side": 40,  # pixels to which pictures are brought; 128 for those of the course, on a GPU
    "channels": 32,  # of the first block
    "epochs": 32,  # Hint: with augmentation it pays to train much longer
    "batch": 32,
    "lr": 1e-3,  # Hint: a rate that falls to nothing
    "weight_decay": 1e-5,
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw3`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.
#
# In the files of 2021 each class has its folder; in those of 2022 a name begins with the class.

# %%
DATA = data_folder("hw3")
WORK = work_folder("hw3")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"

ROOT = next(DATA / name for name in ("food-11", "food11", "pictures") if (DATA / name).is_dir())
FOLDERS = ROOT.name != "food11"


def read(folder):
    """The paths of the pictures in a folder, and their pixels, uint8 (n, 3, side, side)."""
    paths = sorted((ROOT / folder).rglob("*.jpg"))
    size = (CONFIG["side"], CONFIG["side"])
    pixels = [np.asarray(Image.open(path).convert("RGB").resize(size)) for path in paths]
    return paths, torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)


def labels(paths):
    names = [path.parent.name if FOLDERS else path.name.split("_")[0] for path in paths]
    return torch.tensor([int(name) for name in names])


# Hint: the pictures in training/unlabeled have no label. How sure of one must your network be?
paths, x_train = read("training/labeled" if FOLDERS else "training")
y_train = labels(paths)
paths, x_valid = read("validation")
y_valid = labels(paths)
test_paths, x_test = read("testing" if FOLDERS else "test")
classes = int(y_train.max()) + 1
print(
    f"{len(x_train)} pictures to train on, {len(x_valid)} to validate on, {len(x_test)} to predict"
)
print("of each class:", y_train.bincount().tolist())

figure, axes = plt.subplots(3, classes, figsize=(classes, 3.4), squeeze=False)
for label in range(classes):
    for row, place in enumerate((y_train == label).nonzero()[:3, 0]):
        axes[row, label].imshow(x_train[place].permute(1, 2, 0).numpy())
    axes[0, label].set_title(label)
for one in axes.flat:
    one.set_axis_off()
figure.savefig(WORK / "data.png")

# %% [markdown]
# **Hint**: a dish stays the same dish when it is flipped, turned, moved, zoomed or tinted. Change
# every training picture each time it is seen, but not those that you validate on.


# %%
def prepared(pixels):
    return (pixels.to(device).float() - 128) / 64


# %% [markdown]
# ## Model
#
# **Hint**: more blocks, connections that skip a block, dropout.


# %%
def block(before, after):
    """Halves the sides of its input."""
    return [
        nn.Conv2d(before, after, 3, padding=1),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ]


torch.manual_seed(CONFIG["seed"])
width = CONFIG["channels"]
model = nn.Sequential(
    *block(3, width),
    *block(width, 2 * width),
    *block(2 * width, 4 * width),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(4 * width, 128),
    nn.ReLU(),
    nn.Linear(128, classes),
).to(device)
loss_of = nn.CrossEntropyLoss()
optimiser = torch.optim.Adam(model.parameters(), CONFIG["lr"], weight_decay=CONFIG["weight_decay"])


def predict(pixels):
    """The class of each picture (n,). Hint: the mean over several views, or several networks."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(prepared(part)).argmax(1).cpu() for part in pixels.split(256)])


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
    total, whole = 0.0, len(x_train) // CONFIG["batch"] * CONFIG["batch"]
    for rows in torch.randperm(len(x_train))[:whole].split(CONFIG["batch"]):
        loss = loss_of(model(prepared(x_train[rows])), y_train[rows].to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(rows)

    accuracy = (predict(x_valid) == y_valid).float().mean().item()
    if accuracy > max((before for _, before in history), default=-1):
        save(BEST, model=model.state_dict())
    history.append((total / whole, accuracy))
    parts = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
    save(CHECKPOINT, config=CONFIG, history=history, **parts)
    print(f"epoch {epoch + 1}: loss {total / whole:.3f}, validation accuracy {accuracy:.3f}")

# %% [markdown]
# Which classes does it mistake for which?

# %%
model.load_state_dict(torch.load(BEST, map_location=device, weights_only=True)["model"])
print(
    pd.crosstab(y_valid.numpy(), predict(x_valid).numpy(), rownames=["is"], colnames=["taken for"])
)

# %% [markdown]
# ## Submission
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
FILE = WORK / "submission.csv"
ids = [str(int(path.stem)) if FOLDERS else path.stem for path in test_paths]  # 2022: with zeros
pd.DataFrame({"Id": ids, "Category": predict(x_test).numpy()}).to_csv(FILE, index=False)

# %%
print(check(FILE, "hw3"))
if SUBMIT:
    print(submit(FILE, "hw3", f"starter, run {CONFIG['run']}"))
