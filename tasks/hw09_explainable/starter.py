# %% [markdown]
# # HW9: what did the network look at?
#
# A network names dishes. In half of the pictures it looks at the food, in the others at a sticker
# beside it. In which, and where? `lhy-grade tasks hw9` has the rules, the files and the score.
#
# This is a first program that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes a minute on a laptop with the small data.

# %%
import importlib.util

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from harness.notebook import check, data_folder, submit, work_folder

# %% [markdown]
# ## Settings
#
# Change one thing at a time, and write down what it did.

# %%
CONFIG = {
    "run": 1,  # the same settings go on where they stopped; after a change of code, count on
    "seed": 0,
    "batch": 20,
    "copies": 8,  # noisy copies of each picture
    "noise": 0.05,  # where pixels go from 0 to 1
}
SUBMIT = True  # False: only check the file
GRID = 64
CAUSES = ("object", "mark")

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw9`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.

# %%
DATA = data_folder("hw9")
WORK = work_folder("hw9")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"
paths = sorted((DATA / "pictures").glob("*.png"))
x = torch.from_numpy(np.stack([np.asarray(Image.open(path)) for path in paths]))
x = (x.permute(0, 3, 1, 2).float() / 255).to(device)  # (n, 3, side, side)
print(f"{len(x)} pictures of {x.shape[2]} pixels")

# %% [markdown]
# ## The network
#
# It is given, and stays as it is.

# %%
spec = importlib.util.spec_from_file_location("model", DATA / "model.py")
model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)
network = model.Network()
network.load_state_dict(load_file(DATA / "network.safetensors"))
network = network.eval().requires_grad_(False).to(device)
batches = torch.arange(len(x)).split(CONFIG["batch"])
with torch.no_grad():
    target = torch.cat([network(x[rows]).argmax(1) for rows in batches])
print("pictures of each class:", target.bincount().tolist())

# %% [markdown]
# ## Maps
#
# The gradient of the class by each pixel, the mean over noisy copies of the picture, times how far
# the pixel is from the picture's mean colour; what is above 0 speaks for the class. If the machine
# is taken away, run everything again: it goes on after the last checkpoint.
#
# **Hint**: a gradient says what a small change would do. What do the pixels do on the whole way
# from an empty picture to this one? What is lost if a square of the picture is hidden?


# %%
def gradient(pictures, classes):
    pictures = pictures.clone().requires_grad_(True)
    logits = network(pictures)
    chosen = logits[torch.arange(len(classes)), classes]
    return torch.autograd.grad(chosen.sum(), pictures)[0]


def mean_over(values, width):
    return avg_pool2d(values[:, None], width, 1, width // 2, count_include_pad=False)[:, 0]


CHECKPOINT = WORK / "checkpoint.pt"
far = x - x.mean((2, 3), keepdim=True)
maps = torch.zeros(len(x), x.shape[2], x.shape[3], device=device)
done = 0


def save(path, **parts):
    new = path.with_suffix(".new")
    torch.save(parts, new)
    new.replace(path)  # whole or not at all


if CHECKPOINT.exists():
    saved = torch.load(CHECKPOINT, map_location=device, weights_only=True)
    if saved["config"] == CONFIG:
        maps, done = saved["maps"], saved["done"]
        print(f"going on after epoch {done}")

for epoch in range(done, CONFIG["copies"]):
    torch.manual_seed(CONFIG["seed"] + epoch)  # the same noise if this epoch runs again
    for rows in batches:
        noisy = x[rows] + CONFIG["noise"] * torch.randn(x[rows].shape).to(device)
        maps[rows] += (gradient(noisy, target[rows]) * far[rows]).sum(1)
    save(CHECKPOINT, config=CONFIG, maps=maps, done=epoch + 1)
    print(f"epoch {epoch + 1}: {CONFIG['copies'] - epoch - 1} copies to go")

maps = mean_over(maps, 3).clamp(min=0)

# %% [markdown]
# ## Causes
#
# The sticker is where colours are strongest, over a square of its size. The mark is the cause where
# much of the map lies there: in one half of the pictures of each class.
#
# **Hint**: this is a guess. Paint the sticker over, and ask the network again.


# %%
side = x.shape[2]
strongest = mean_over((x.amax(1) - x.amin(1)) ** 2, side // 4 + 1).flatten(1).argmax(1)
place = torch.arange(side, device=device)
down = place[:, None] - (strongest // side)[:, None, None]
across = place - (strongest % side)[:, None, None]
sticker = down**2 + across**2 < (side / 5) ** 2  # (n, side, side)
share = (maps * sticker).sum((1, 2)) / maps.sum((1, 2))
cause = torch.zeros(len(x), dtype=torch.int64)
for one in target.unique():
    own = (target == one).nonzero()[:, 0]
    cause[own[share[own].argsort(descending=True)[: len(own) // 2]].cpu()] = 1

figure, rows = plt.subplots(2, 8, figsize=(10, 3))
for at, (above, below) in enumerate(rows.T):
    above.imshow(x[at].permute(1, 2, 0).cpu())
    above.set_title(CAUSES[cause[at]], fontsize=8)
    below.imshow(maps[at].cpu(), cmap="gray")
    above.set_axis_off()
    below.set_axis_off()
figure.savefig(WORK / "maps.png")

# %% [markdown]
# ## Submission
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
FILE = WORK / "submission.safetensors"
cells = adaptive_avg_pool2d(maps[:, None], GRID)[:, 0]
cells = cells / cells.amax((1, 2), keepdim=True)
save_file({"attribution": cells.cpu().contiguous(), "cause": cause}, FILE)

# %%
print(check(FILE, "hw9"))
if SUBMIT:
    print(submit(FILE, "hw9", f"starter, run {CONFIG['run']}"))
