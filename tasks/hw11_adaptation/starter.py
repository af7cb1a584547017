# %% [markdown]
# # HW11: from paintings to drawings
#
# Paintings of ten kinds of things have labels, drawings of them have none. What does a drawing
# show? `lhy-grade tasks hw11` has the rules, the files and the score.
#
# This is a first model that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes a minute on a laptop with the small data.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from harness.notebook import check, data_folder, submit, work_folder

# %% [markdown]
# ## Settings
#
# Change one thing at a time, and write down what it did.

# %%
CONFIG = {
    "run": 1,  # the same settings go on where they stopped; after a change of code, count on
    "seed": 0,
    "edge": 180,  # how strong a gradient must be to count as an edge
    "channels": 16,  # of the first block
    "turn": 20,  # degrees by which a picture is turned in training, at most
    "epochs": 14,
    "batch": 32,
    "lr": 2e-3,  # Hint: a rate that falls to nothing
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw11`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.

# %%
DATA = data_folder("hw11") / "real_or_drawing"
WORK = work_folder("hw11")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"


def read(paths):
    """Grey pictures, float32 (n, 1, 32, 32), from 0 to 255."""
    pictures = [np.asarray(Image.open(path).convert("L").resize((32, 32))) for path in paths]
    return torch.from_numpy(np.stack(pictures))[:, None].float()


def edges(pictures):
    """Where the brightness changes much, 1, else 0. Hint: the course's sample uses cv2.Canny."""
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    kernels = torch.stack([sobel, sobel.T])[:, None]
    wide = functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
    gradient = functional.conv2d(wide, kernels).square().sum(1, keepdim=True).sqrt()
    return (gradient > CONFIG["edge"]).float()


train_paths = sorted((DATA / "train_data").glob("*/*.bmp"), key=lambda path: int(path.stem))
test_paths = sorted((DATA / "test_data" / "0").glob("*.bmp"))
y = torch.tensor([int(path.parent.name) for path in train_paths])
paintings = read(train_paths)
x, asked = edges(paintings), read(test_paths) / 255
print(f"{len(x)} paintings to train on, {len(asked)} drawings to predict")

figure, axes = plt.subplots(3, 10, figsize=(10, 3.4))
for label in range(10):
    place = (y == label).nonzero()[0, 0]
    for row, picture in enumerate((paintings[place], x[place], asked[label])):
        axes[row, label].imshow(picture[0], cmap="gray")
        axes[row, label].set_axis_off()
    axes[0, label].set_title(label)
figure.savefig(WORK / "data.png")

# %% [markdown]
# A tenth of the paintings is kept to validate on. It says how well paintings are told apart, and
# little of drawings. **Hint**: compare the features of both, as a picture by t-SNE.

# %%
split = torch.randperm(len(x), generator=torch.Generator().manual_seed(CONFIG["seed"]))
valid, known = split[: len(x) // 10], split[len(x) // 10 :]


def moved(pictures):
    """Pictures turned a little, and half of them mirrored. Hint: how are drawings moved?"""
    angle = (2 * torch.rand(len(pictures)) - 1) * CONFIG["turn"] * np.pi / 180
    flip = torch.where(torch.rand(len(pictures)) < 0.5, -1.0, 1.0)
    none = torch.zeros(len(pictures))
    above = torch.stack([angle.cos() * flip, -angle.sin(), none], 1)
    below = torch.stack([angle.sin() * flip, angle.cos(), none], 1)
    grid = functional.affine_grid(
        torch.stack([above, below], 1), pictures.shape, align_corners=False
    )
    return functional.grid_sample(pictures, grid, align_corners=False)


# %% [markdown]
# ## Model
#
# **Hint**: DaNN has a second head that tells paintings from drawings by the features, and a
# gradient that is turned round on its way from there to the extractor.


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
extractor = nn.Sequential(
    *block(1, width), *block(width, 2 * width), *block(2 * width, 4 * width), nn.Flatten()
)
model = nn.Sequential(extractor, nn.Linear(4 * width * 16, 10)).to(device)
loss_of = nn.CrossEntropyLoss()
optimiser = torch.optim.Adam(model.parameters(), CONFIG["lr"])


def predict(pictures):
    """The class of each picture (n,)."""
    model.eval()
    with torch.no_grad():
        return torch.cat([model(part.to(device)).argmax(1).cpu() for part in pictures.split(500)])


# %% [markdown]
# ## Training
#
# If the machine is taken away, run everything again: it goes on after the last checkpoint.

# %%
CHECKPOINT = WORK / "checkpoint.pt"
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
    total, whole = 0.0, len(known) // CONFIG["batch"] * CONFIG["batch"]
    for rows in known[torch.randperm(len(known))][:whole].split(CONFIG["batch"]):
        loss = loss_of(model(moved(x[rows]).to(device)), y[rows].to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(rows)
    accuracy = (predict(x[valid]) == y[valid]).float().mean().item()
    history.append((total / whole, accuracy))
    parts = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
    save(CHECKPOINT, config=CONFIG, history=history, **parts)
    print(f"epoch {epoch + 1}: loss {total / whole:.3f}, paintings right {accuracy:.3f}")

# %% [markdown]
# ## Submission
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
FILE = WORK / "submission.csv"
guess = predict(asked).numpy()
print("of each class:", np.bincount(guess, minlength=10).tolist())
ids = [int(path.stem) for path in test_paths]
pd.DataFrame({"id": ids, "label": guess}).to_csv(FILE, index=False)

# %%
print(check(FILE, "hw11"))
if SUBMIT:
    print(submit(FILE, "hw11", f"starter, run {CONFIG['run']}"))
