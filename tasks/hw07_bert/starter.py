# %% [markdown]
# # HW7: question answering in Chinese
#
# A paragraph and a question: point at the first and the last character of the answer.
# `lhy-grade tasks hw7` has the rules, the files and the score.
#
# This is a first model that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes some minutes on a laptop with the small data.

# %%
import csv
import json
import random

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from harness.notebook import check, data_folder, submit, work_folder

# %% [markdown]
# ## Settings
#
# Change one thing at a time, and write down what it did.

# %%
CONFIG = {
    "run": 1,  # the same settings go on where they stopped; after a change of code, count on
    "seed": 0,
    "dim": 64,
    "window": 200,  # Hint: who "he" is may stand farther away than that
    "epochs": 8,  # Hint: longer, with a learning rate that falls
    "batch": 32,
    "lr": 2e-3,
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw7`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.

# %%
DATA = data_folder("hw7")
WORK = work_folder("hw7")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"


def read(name):
    data = json.loads((DATA / name).read_text(encoding="utf-8"))
    return data["paragraphs"], data["questions"]


parts = {part: read(f"hw7_{part}.json") for part in ("train", "dev", "test")}
texts, asked = parts["train"]
print(texts[asked[0]["paragraph_id"]], asked[0], sep="\n")

# %% [markdown]
# A character is a token here. **Hint**: `hw7_text.txt` has more text, without questions. A model
# can learn to read from it first: mask a piece of a sentence, and let it be found.

# %%
every = [t for p, q in parts.values() for t in [*p, *(one["question_text"] for one in q)]]
number = {sign: n for n, sign in enumerate(sorted(set("".join(every))), start=1)}


def numbers(lines):
    rows = [torch.tensor([number[sign] for sign in line]) for line in lines]
    return pad_sequence(rows, batch_first=True).to(device)


# %% [markdown]
# ## Model
#
# Each character of the window looks for the like of it in the question, by attention; convolutions
# with growing steps then look at its neighbours. **Hint**: a pre-trained BERT, from Hugging Face.


# %%
class Reader(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.signs = nn.Embedding(len(number) + 1, dim, padding_idx=0)
        self.near = nn.Conv1d(dim, dim, 5, padding=2)
        self.mix = nn.Conv1d(4 * dim + 1, dim, 1)
        steps = (1, 2, 4, 8, 16, 32, 1)
        self.convs = nn.ModuleList(nn.Conv1d(dim, 2 * dim, 3, 1, s, s) for s in steps)
        self.norms = nn.ModuleList(nn.GroupNorm(1, dim) for _ in steps)
        self.drop, self.span = nn.Dropout(0.1), nn.Conv1d(dim, 2, 1)

    def encode(self, rows):  # (n, t) to (n, t, dim)
        x = self.drop(self.signs(rows)).transpose(1, 2)
        return (x + torch.relu(self.near(x))).transpose(1, 2)

    def forward(self, window, question):  # logits of start and end (n, 2, t)
        p, q, there = self.encode(window), self.encode(question), question != 0
        match = (p @ q.transpose(1, 2)).masked_fill(~there[:, None], -1e9)
        seen = match.softmax(2) @ q  # (n, t, dim)
        whole = (q * there[:, :, None]).sum(1, True) / there.sum(1)[:, None, None]
        same = (window[:, :, None] == question[:, None]).any(2, True).float()
        x = torch.cat([p, seen, p * seen, p * whole, same], 2).transpose(1, 2)
        x = self.mix(x)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + self.drop(nn.functional.glu(conv(norm(x)), 1))
        return self.span(x).masked_fill((window == 0)[:, None], -1e9)


torch.manual_seed(CONFIG["seed"])
model = Reader(CONFIG["dim"]).to(device)
optimiser = torch.optim.Adam(model.parameters(), CONFIG["lr"])

# %% [markdown]
# ## Training
#
# In training the answer is in the middle of its window. If the machine is taken away, run
# everything again: it goes on after the last checkpoint.


# %%
def batch_loss(batch):
    windows, places = [], []
    for one in batch:
        text, start, end = texts[one["paragraph_id"]], one["answer_start"], one["answer_end"]
        begin = max(0, min((start + end - CONFIG["window"]) // 2, len(text) - CONFIG["window"]))
        windows.append(text[begin : begin + CONFIG["window"]])
        places.append([start - begin, end - begin])
    logits = model(numbers(windows), numbers([one["question_text"] for one in batch]))
    wanted = torch.tensor(places, device=device)
    return nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())


CHECKPOINT = WORK / "checkpoint.pt"
history = []  # training loss of each epoch
if CHECKPOINT.exists():
    saved = torch.load(CHECKPOINT, map_location=device, weights_only=True)
    if saved["config"] == CONFIG:
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        history = saved["history"]
        print(f"going on after epoch {len(history)}")

for epoch in range(len(history), CONFIG["epochs"]):
    torch.manual_seed(CONFIG["seed"] + epoch)  # the same if this epoch runs again
    order = random.Random(CONFIG["seed"] + epoch).sample(asked, len(asked))
    losses = []
    for at in range(0, len(order), CONFIG["batch"]):
        loss = batch_loss(order[at : at + CONFIG["batch"]])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    history.append(sum(losses) / len(losses))
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({"config": CONFIG, "history": history, **state}, WORK / "new.pt")
    (WORK / "new.pt").replace(CHECKPOINT)  # whole or not at all
    print(f"epoch {epoch + 1}: loss {history[-1]:.3f}")

# %% [markdown]
# ## Answers
#
# Of all windows of a paragraph the one with the best start and end gives the answer. **Hint**: an
# end before its start, or far behind it, is no answer; look for the best pair.


# %%
@torch.no_grad()
def answer(text, question):
    begins = range(0, max(1, len(text) - CONFIG["window"] // 2), CONFIG["window"] // 2)
    windows = [text[begin : begin + CONFIG["window"]] for begin in begins]
    best, places = model(numbers(windows), numbers([question] * len(windows))).max(2)
    window = int(best.sum(1).argmax())
    start, end = places[window].tolist()
    return windows[window][start : end + 1].replace(",", "")  # ASCII commas do not count


model.eval()
dev_texts, dev = parts["dev"]
guesses = [answer(dev_texts[q["paragraph_id"]], q["question_text"]) for q in dev]
hits = [a == q["answer_text"].replace(",", "") for a, q in zip(guesses, dev, strict=True)]
print(f"exact match on {len(hits)} dev questions: {sum(hits) / len(hits):.3f}")

# %% [markdown]
# ## Submission
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
FILE = WORK / "submission.csv"
test_texts, test = parts["test"]
with FILE.open("w", encoding="utf-8", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["ID", "Answer"])
    for q in test:
        writer.writerow([q["id"], answer(test_texts[q["paragraph_id"]], q["question_text"])])

# %%
print(check(FILE, "hw7"))
if SUBMIT:
    print(submit(FILE, "hw7", f"starter, run {CONFIG['run']}"))
