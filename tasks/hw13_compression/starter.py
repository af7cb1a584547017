# %% [markdown]
# # HW13: network compression
#
# A large network, the teacher, names dishes. Make a small one, the student, that does nearly as
# well with at most 100,000 parameters. You hand in the student itself; the grader runs it on
# pictures that nobody has. `lhy-grade tasks hw13` has the rules, the files and the score.
#
# This is a first model that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes two minutes on a laptop with the small data.

# %%
import importlib.util

import matplotlib.pyplot as plt
import numpy as np
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
    "channels": (32, 32, 64, 100),  # of the four convolutions
    "epochs": 240,  # Hint: a student that learns from the teacher gains by many more
    "batch": 32,
    "lr": 2e-3,  # in the first epoch; it falls to nothing
    "weight_decay": 1e-5,
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw13`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.
#
# **Hint**: the pictures in `training/unlabeled` have no labels. Who knows what they show?

# %%
DATA = data_folder("hw13")
WORK = work_folder("hw13")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"


def read(folder):
    """The pictures of a folder, uint8 (n, 3, 40, 40), and the classes that stand in the names."""
    paths = sorted((DATA / "food-11" / folder).rglob("*.jpg"))
    pixels = np.stack([np.asarray(Image.open(path)) for path in paths])
    labels = torch.tensor([int(path.name.split("_")[0]) for path in paths])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device), labels.to(device)


x_train, y_train = read("training/labeled")
x_valid, y_valid = read("validation")
print(f"{len(x_train)} pictures to train on, {len(x_valid)} to validate on")

figure, axes = plt.subplots(2, 11, figsize=(11, 2.4))
for label in range(11):
    for row, place in enumerate((y_train == label).nonzero()[:2, 0]):
        axes[row, label].imshow(x_train[place].permute(1, 2, 0).cpu().numpy())
    axes[0, label].set_title(label)
for one in axes.flat:
    one.set_axis_off()
figure.savefig(WORK / "data.png")

# %% [markdown]
# ## Teacher
#
# The program that reads it lies beside it. **Hint**: the student below never asks it anything. What
# does the teacher say of a picture beside its class, and how does that sound at a higher
# temperature? `teacher.stages(pixels)` gives what it sees on the way.

# %%
spec = importlib.util.spec_from_file_location("model", DATA / "model.py")
model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)
teacher = model.load(DATA / "teacher.safetensors").to(device)


def accuracy(network):
    """The share of validation pictures that a network names rightly."""
    network.eval()
    with torch.no_grad():
        return (network(x_valid / 255).argmax(1) == y_valid).float().mean().item()


print(f"the teacher: {sum(one.numel() for one in teacher.parameters()):,} parameters,", end=" ")
print(f"validation accuracy {accuracy(teacher):.3f}")

# %% [markdown]
# ## Student
#
# The course's own. **Hint**: most of its parameters and nearly all of its time are in convolutions
# of 3 x 3 that mix all channels. Is there a cheaper way to look around, and to mix?


# %%
def block(before, after):
    return [nn.Conv2d(before, after, 3), nn.BatchNorm2d(after), nn.ReLU()]


torch.manual_seed(CONFIG["seed"])
first, second, third, fourth = CONFIG["channels"]
student = nn.Sequential(
    *block(3, first),
    *block(first, second),
    nn.MaxPool2d(2),
    *block(second, third),
    nn.MaxPool2d(2),
    *block(third, fourth),
    nn.MaxPool2d(2),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(fourth, 11),
).to(device)
loss_of = nn.CrossEntropyLoss()  # Hint: of the labels alone
optimiser = torch.optim.Adam(
    student.parameters(), CONFIG["lr"], weight_decay=CONFIG["weight_decay"]
)
print(f"the student: {sum(one.numel() for one in student.parameters()):,} parameters")

# %% [markdown]
# ## Training
#
# If the machine is taken away, run everything again: it goes on after the last checkpoint.
#
# **Hint**: here a batch is mirrored or not, and turned by quarters. There are many more ways to
# make new pictures of old ones, and the teacher can name them all.

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
        student.load_state_dict(saved["student"])
        optimiser.load_state_dict(saved["optimiser"])
        history = saved["history"]
        print(f"going on after epoch {len(history)}")

for epoch in range(len(history), CONFIG["epochs"]):
    torch.manual_seed(CONFIG["seed"] + epoch)  # the same order if this epoch runs again
    optimiser.param_groups[0]["lr"] = CONFIG["lr"] * (1 - epoch / CONFIG["epochs"])
    student.train()
    total, whole = 0.0, len(x_train) // CONFIG["batch"] * CONFIG["batch"]
    for rows in torch.randperm(len(x_train))[:whole].split(CONFIG["batch"]):
        x = x_train[rows] / 255
        x = x.flip(3) if torch.rand(()) < 0.5 else x  # a dish has no left and right,
        x = torch.rot90(x, int(torch.randint(4, ())), (2, 3))  # nor an upper side, from above
        loss = loss_of(student(x), y_train[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(rows)

    now = accuracy(student)
    if now > max((before for _, before in history), default=-1):
        save(BEST, student=student.state_dict())
    history.append((total / whole, now))
    parts = {"student": student.state_dict(), "optimiser": optimiser.state_dict()}
    save(CHECKPOINT, config=CONFIG, history=history, **parts)
    print(f"epoch {epoch + 1}: loss {total / whole:.3f}, validation accuracy {now:.3f}")

# %% [markdown]
# ## Submission
#
# The student as one ONNX graph, in evaluation mode, which takes any number of pictures at once.
#
# `check` reads the file as the grader does, says how many parameters it counts, and uses nothing
# up. `submit` uses one submission of the day; the same file again uses none.

# %%
student.load_state_dict(torch.load(BEST, map_location=device, weights_only=True)["student"])
student.cpu().eval()
FILE = WORK / "student.onnx"
names = {"input_names": ["pixels"], "output_names": ["logits"]}
sizes = {"pixels": {0: "n"}, "logits": {0: "n"}}
given = torch.zeros(2, 3, 40, 40)
torch.onnx.export(student, (given,), FILE, **names, dynamic_axes=sizes, dynamo=False)

# %%
print(check(FILE, "hw13"))
if SUBMIT:
    print(submit(FILE, "hw13", f"starter, run {CONFIG['run']}"))
