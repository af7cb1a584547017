# %% [markdown]
# # HW6: a GAN
#
# Draw a thousand new faces that look like the given ones. Two networks are trained against each
# other: a generator makes images from noise, a discriminator tells them from real ones.
# `lhy-grade tasks hw6` has the rules, the files and the scores.
#
# This is a first model that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes a few minutes on a laptop with the small data.

# %%
import tarfile

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
    "noise": 100,  # numbers that an image is made from
    "width": 16,  # channels next to the image; the course has 64, on a GPU
    "epochs": 18,  # Hint: longer
    "batch": 32,
    "lr": 2e-4,
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw6`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.

# %%
DATA = data_folder("hw6")
WORK = work_folder("hw6")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"

paths = sorted((DATA / "faces").glob("*.jpg"), key=lambda path: int(path.stem))
pixels = [np.asarray(Image.open(path).convert("RGB").resize((64, 64))) for path in paths]
faces = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)  # bytes (n, 3, 64, 64)
print(f"{len(faces)} faces to learn from")


def to_bytes(images):
    """Images (n, 3, 64, 64) in -1 to 1 as bytes (n, 64, 64, 3)."""
    return ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


def show(images, name):
    figure, axes = plt.subplots(3, 12, figsize=(12, 3))
    for one, picture in zip(axes.flat, to_bytes(images), strict=True):
        one.imshow(picture)
        one.set_axis_off()
    figure.savefig(WORK / name)
    plt.close(figure)


def prepared(images):
    return images.to(device).float() / 127.5 - 1


show(prepared(faces[:36]), "data.png")

# %% [markdown]
# ## Model
#
# A DCGAN (Radford et al., 2016). **Hint**: a discriminator that cannot grow too steep, by a
# gradient penalty or by spectral normalisation; a generator in the manner of StyleGAN.


# %%
def up(before, after):
    return [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]


def down(before, after):
    return [nn.Conv2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]


def first_weights(layer):
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(layer.weight, 0, 0.02)


torch.manual_seed(CONFIG["seed"])
w, noise = CONFIG["width"], CONFIG["noise"]
generator = nn.Sequential(  # noise (n, 100) to images (n, 3, 64, 64)
    nn.Linear(noise, 8 * w * 4 * 4),
    nn.Unflatten(1, (8 * w, 4, 4)),
    nn.BatchNorm2d(8 * w),
    nn.ReLU(),
    *up(8 * w, 4 * w),
    *up(4 * w, 2 * w),
    *up(2 * w, w),
    nn.ConvTranspose2d(w, 3, 4, 2, 1),
    nn.Tanh(),
)
discriminator = nn.Sequential(  # images (n, 3, 64, 64) to scores (n,), high for real ones
    nn.Conv2d(3, w, 4, 2, 1),
    nn.LeakyReLU(0.2),
    *down(w, 2 * w),
    *down(2 * w, 4 * w),
    *down(4 * w, 8 * w),
    nn.Conv2d(8 * w, 1, 4),
    nn.Flatten(0),
)
parts = {"generator": generator, "discriminator": discriminator}
for name, network in list(parts.items()):
    network.apply(first_weights).to(device)
    parts[f"{name} optimiser"] = torch.optim.Adam(network.parameters(), CONFIG["lr"], (0.5, 0.999))
softplus = nn.functional.softplus


def generate(noise):
    with torch.no_grad():  # the generator normalises by the images that it makes together
        return torch.cat([generator(part.to(device)) for part in noise.split(250)])


# %% [markdown]
# ## Training
#
# If the machine is taken away, run everything again: it goes on after the last checkpoint.
# Look at the images of every epoch, in the work folder: the losses alone say little.

# %%
CHECKPOINT = WORK / "checkpoint.pt"
history = []  # the losses of generator and discriminator, of each epoch
fixed = torch.randn(36, noise, generator=torch.Generator().manual_seed(CONFIG["seed"]))

if CHECKPOINT.exists():
    saved = torch.load(CHECKPOINT, map_location=device, weights_only=True)
    if saved["config"] == CONFIG:
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        history = saved["history"]
        print(f"going on after epoch {len(history)}")

for epoch in range(len(history), CONFIG["epochs"]):
    torch.manual_seed(CONFIG["seed"] + epoch)  # the same order if this epoch runs again
    sums, steps = np.zeros(2), len(faces) // CONFIG["batch"]
    for rows in torch.randperm(len(faces))[: steps * CONFIG["batch"]].split(CONFIG["batch"]):
        real = prepared(faces[rows])
        fake = generator(torch.randn(len(rows), noise).to(device))

        # The discriminator learns to tell them apart. Hint: change both alike before it sees them.
        d_loss = (softplus(-discriminator(real)) + softplus(discriminator(fake.detach()))).mean()
        discriminator.zero_grad()
        d_loss.backward()
        parts["discriminator optimiser"].step()

        # The generator learns to be taken for real.
        g_loss = softplus(-discriminator(fake)).mean()
        generator.zero_grad()
        g_loss.backward()
        parts["generator optimiser"].step()
        sums += [g_loss.item(), d_loss.item()]

    history.append((sums / steps).tolist())
    state = {name: part.state_dict() for name, part in parts.items()}
    torch.save({"config": CONFIG, "history": history, **state}, WORK / "new.pt")
    (WORK / "new.pt").replace(CHECKPOINT)  # whole or not at all
    show(generate(fixed), f"epoch-{epoch + 1:03d}.png")
    print(f"epoch {epoch + 1}: generator {history[-1][0]:.2f}, discriminator {history[-1][1]:.2f}")

# %% [markdown]
# ## Submission
#
# A thousand images in one archive. **Hint**: the mean of the generator's weights over many steps
# draws better than the last ones.
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
torch.manual_seed(CONFIG["seed"])
FILE = WORK / "submission.tgz"
with tarfile.open(FILE, "w:gz") as archive:
    for number, picture in enumerate(to_bytes(generate(torch.randn(1000, noise))), start=1):
        Image.fromarray(picture).save(WORK / "one.jpg", quality=75)
        archive.add(WORK / "one.jpg", f"{number}.jpg")

# %%
print(check(FILE, "hw6"))
if SUBMIT:
    print(submit(FILE, "hw6", f"starter, run {CONFIG['run']}"))
