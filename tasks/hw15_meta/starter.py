# %% [markdown]
# # HW15: which of five characters is it?
#
# A task shows five characters once each, then five more pictures. Which of the five is on each?
# `lhy-grade tasks hw15` has the rules, the files and the score.
#
# This is a first model that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes some minutes on a laptop.

# %%
import copy

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
    "characters": 10,  # that are learned. Hint: there are many more
    "channels": 32,
    "epochs": 6,
    "steps": 20,
    "batch": 64,
    "lr": 1e-3,
    "inner_lr": 0.01,  # of the fine-tuning on a task
    "inner_steps": 20,
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw15`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.

# %%
DATA = data_folder("hw15")
WORK = work_folder("hw15")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"


def read(paths):
    """Ink (n, 1, 28, 28), 1 on 0."""
    pictures = [np.asarray(Image.open(path).convert("L")) for path in paths]
    return 1 - torch.from_numpy(np.stack(pictures)).float()[:, None] / 255


folders = sorted((DATA / "Omniglot" / "images_background").glob("*/*"))
x = torch.stack([read(sorted(folder.glob("*.png"))) for folder in folders])
support, query = (
    read(sorted((DATA / "Omniglot-test" / part).glob("*/*.png"))).unflatten(0, (-1, 5))
    for part in ("support", "query")
)
print(f"{len(x)} characters by {x.shape[1]} hands; {len(support)} tasks")

figure, axes = plt.subplots(4, 10, figsize=(8, 3.5))
for row, task in zip(axes, torch.cat([support, query], dim=1), strict=False):
    for place, picture in zip(row, task, strict=True):
        place.imshow(picture[0], cmap="gray_r")
        place.axis("off")
figure.savefig(WORK / "data.png")

# %% [markdown]
# Characters that are not learned make tasks to validate with. Here queries are in order: classes
# 0 to 4, drawn by another hand than the support.

# %%
order = torch.randperm(len(x), generator=torch.Generator().manual_seed(CONFIG["seed"]))
learned = x[order[: CONFIG["characters"]]]
others = x[order[CONFIG["characters"] :]]
held = others[: len(others) // 5 * 5][:200].unflatten(0, (-1, 5))  # (tasks, 5, hands, 1, 28, 28)
valid_support, valid_query = held[:, :, 0], held[:, :, 1]

# %% [markdown]
# ## Model
#
# **Hint**: compare the features of a query with those of the five supports, and train for that.


# %%
def block(before, after):
    layers = nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()
    return nn.Sequential(*layers, nn.MaxPool2d(2))


torch.manual_seed(CONFIG["seed"])
width = CONFIG["channels"]
body = [block(1, width), block(width, width), block(width, width)]  # (b, width, 3, 3)
model = nn.Sequential(*body, nn.Flatten(), nn.Linear(9 * width, CONFIG["characters"])).to(device)
loss_of = nn.CrossEntropyLoss()
optimiser = torch.optim.Adam(model.parameters(), CONFIG["lr"])


def predict(supports, queries):
    """The classes (t, 5) of queries (t, 5, 1, 28, 28), after fine-tuning a head on each task."""
    found = []
    features = copy.deepcopy(model[:-1])
    norms = [module for module in features.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # the statistics are those of the last batch
    for five, others in zip(supports.to(device), queries.to(device), strict=True):
        with torch.no_grad():
            features.train()(five)  # of the five supports: no query depends on another
            known, asked = features.eval()(five), features(others)
        head = nn.Linear(known.shape[1], 5).to(device)
        nn.init.zeros_(head.weight)
        descent = torch.optim.SGD(head.parameters(), CONFIG["inner_lr"])
        for _ in range(CONFIG["inner_steps"]):
            loss = loss_of(head(known), torch.arange(5, device=device))
            descent.zero_grad()
            loss.backward()
            descent.step()
        with torch.no_grad():
            found.append(head(asked).argmax(1).cpu())
    return torch.stack(found)


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
    torch.manual_seed(CONFIG["seed"] + epoch)  # the same pictures if this epoch runs again
    model.train()
    total = 0.0
    for _ in range(CONFIG["steps"]):
        label = torch.randint(len(learned), (CONFIG["batch"],))
        hand = torch.randint(learned.shape[1], (CONFIG["batch"],))
        loss = loss_of(model(learned[label, hand].to(device)), label.to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item()

    guess = predict(valid_support, valid_query)
    accuracy = (guess == torch.arange(5)).float().mean().item()
    history.append((total / CONFIG["steps"], accuracy))
    parts = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
    save(CHECKPOINT, config=CONFIG, history=history, **parts)
    print(f"epoch {epoch + 1}: loss {history[-1][0]:.3f}, validation accuracy {accuracy:.3f}")

# %% [markdown]
# ## Submission
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
FILE = WORK / "submission.csv"
pd.DataFrame({"class": predict(support, query).flatten()}).to_csv(FILE, index_label="id")

# %%
print(check(FILE, "hw15"))
if SUBMIT:
    print(submit(FILE, "hw15", f"starter, run {CONFIG['run']}"))
