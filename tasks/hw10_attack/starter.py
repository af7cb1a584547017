# %% [markdown]
# # HW10: fool a hidden ensemble
#
# Change 200 pictures by at most 8 of 255, so that networks which you never see name them wrongly.
# `lhy-grade tasks hw10` has the rules, the files and the score.
#
# This is a first program that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes a minute on a laptop with the small data.

# %%
import importlib.util
import json
import tarfile

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
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
    "epochs": 10,  # steps of the attack
    "step": 2.0,  # of a colour, of 255
    "epsilon": 8,  # the rule: never more
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw10`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.

# %%
DATA = data_folder("hw10")
WORK = work_folder("hw10")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"
names = json.loads((DATA / "format.json").read_text())["names"]
classes = list(dict.fromkeys(name.split("/")[0] for name in names))
labels = torch.tensor([classes.index(name.split("/")[0]) for name in names]).to(device)
pictures = np.load(DATA / "images.npy", allow_pickle=False)  # (200, 32, 32, 3)
given = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255).to(device)

figure, rows = plt.subplots(2, 10, figsize=(10, 2.3))
for axes, place in zip(rows.T.flat, range(0, len(names), 10), strict=True):
    axes.imshow(pictures[place])
    axes.set_title(names[place].split("/")[0], fontsize=7)
    axes.set_axis_off()
figure.savefig(WORK / "data.png")

# %% [markdown]
# ## Model
#
# The program that reads the networks lies beside them. **Hint**: the more networks you attack at
# once, the better it transfers. The pictures that these three learned from are given too.

# %%
spec = importlib.util.spec_from_file_location("model", DATA / "proxies" / "model.py")
model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)
proxies = [model.load(path).to(device) for path in sorted(DATA.glob("proxies/*.safetensors"))]
attacked = proxies


def accuracies(x):
    """How many pictures each network still names rightly."""
    with torch.no_grad():
        return [(network(x).argmax(1) == labels).float().mean().item() for network in proxies]


print("before the attack:", [f"{share:.3f}" for share in accuracies(given)])

# %% [markdown]
# ## Attack
#
# If the machine is taken away, run everything again: it goes on after the last checkpoint.
#
# **Hint**: each step follows the sign of one gradient. What if it kept some of those before, as a
# ball that rolls? And what would the gradient be for the same picture, mirrored or moved a little?

# %%
CHECKPOINT = WORK / "checkpoint.pt"
x, done = given.clone(), 0


def save(path, **parts):
    new = path.with_suffix(".new")
    torch.save(parts, new)
    new.replace(path)  # whole or not at all


if CHECKPOINT.exists():
    saved = torch.load(CHECKPOINT, map_location=device, weights_only=True)
    if saved["config"] == CONFIG:
        x, done = saved["x"], saved["done"]
        print(f"going on after epoch {done}")

most = CONFIG["epsilon"] / 255
for epoch in range(done, CONFIG["epochs"]):
    for rows in torch.arange(len(x)).split(10):
        leaf = x[rows].clone().requires_grad_()
        logits = sum(network(leaf) for network in attacked) / len(attacked)
        loss = functional.cross_entropy(logits, labels[rows])
        (gradient,) = torch.autograd.grad(loss, leaf)
        moved = x[rows] + CONFIG["step"] / 255 * gradient.sign()
        moved = torch.maximum(torch.minimum(moved, given[rows] + most), given[rows] - most)
        x[rows] = moved.clamp(0, 1)
    save(CHECKPOINT, config=CONFIG, x=x, done=epoch + 1)
    print(f"epoch {epoch + 1}:", [f"{share:.3f}" for share in accuracies(x)])

# %% [markdown]
# ## Submission
#
# The same names as the given pictures, each a PNG, which keeps every pixel.
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
FILE = WORK / "submission.tgz"
pixels = (x * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
with tarfile.open(FILE, "w:gz") as archive:
    for name, picture in zip(names, pixels, strict=True):
        Image.fromarray(picture).save(WORK / "one.png")
        archive.add(WORK / "one.png", name)

# %%
print(check(FILE, "hw10"))
if SUBMIT:
    print(submit(FILE, "hw10", f"starter, run {CONFIG['run']}"))
