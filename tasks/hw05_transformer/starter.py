# %% [markdown]
# # HW5: translation
#
# Translate English sentences into Traditional Chinese. `lhy-grade tasks hw5` has the rules, the
# files and the score.
#
# This is a first model that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes two minutes on a laptop with the small data.

# %%
import random
import re
from collections import Counter

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from harness.notebook import check, data_folder, submit, work_folder

# %% [markdown]
# ## Settings
#
# Change one thing at a time, and write down what it did.

# %%
CONFIG = {
    "run": 1,  # the same settings go on where they stopped; after a change of code, count on
    "seed": 0,
    "dim": 128,  # of embeddings and states; 256 or 512 with the data of the course, on a GPU
    "epochs": 10,  # Hint: longer, with label smoothing, and the mean of the last checkpoints
    "batch": 32,
    "lr": 2e-3,  # Hint: up during a warm-up, then down with the root of the step
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw5`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.

# %%
DATA = data_folder("hw5")
WORK = work_folder("hw5")  # for checkpoints; on Colab a folder of your Drive, which stays
device = "cuda" if torch.cuda.is_available() else "cpu"


def read(name):
    text = (DATA / name).read_text(encoding="utf-8")
    return re.sub(r"[(（\[][^()（）\[\]\n]*[)）\]]", " ", text).split("\n")[:-1]


english, chinese, test = read("ted2020/raw.en"), read("ted2020/raw.zh"), read("test/test.en")
print(*list(zip(english, chinese, strict=True))[:5], sep="\n")

# %% [markdown]
# The text is raw: it has remarks such as (Laughter), which are gone here, names of speakers, and
# pairs that do not belong together. **Hint**: look at more of it, and clean more. English is cut
# into words here, Chinese into characters. **Hint**: sub-words leave no word unknown; the package
# sentencepiece learns them.


# %%
def words(line):
    return re.findall(r"\w+|[^\w\s]", line.lower())


PAD, BEGIN, END, UNKNOWN = range(4)


def vocabulary(lines):
    counts = Counter(token for line in lines for token in line)
    return [""] * 4 + [token for token, n in counts.items() if n > 1]


def numbers(lines, tokens):
    place = {token: number for number, token in enumerate(tokens)}
    rows = ([place.get(token, UNKNOWN) for token in line] for line in lines)
    return [torch.tensor([BEGIN, *row, END]) for row in rows]


pairs = [(words(en), list("".join(zh.split()))) for en, zh in zip(english, chinese, strict=True)]
pairs = [p for p in pairs if 0 < len(p[0]) < 2 * len(p[1]) + 3 and len(p[1]) < 4 * len(p[0]) + 3]
random.Random(CONFIG["seed"]).shuffle(pairs)
held = min(1000, len(pairs) // 20)  # pairs to validate on
en_tokens, zh_tokens = map(vocabulary, zip(*pairs[held:], strict=True))
sources, targets = map(numbers, zip(*pairs, strict=True), (en_tokens, zh_tokens))
print(f"{len(pairs)} pairs are kept; {len(en_tokens)} words, {len(zh_tokens)} characters")


def batches(rows):  # of similar length, so that there is little padding, in random order
    rows = sorted(rows, key=lambda row: len(sources[row]) + random.random())
    groups = [rows[i : i + CONFIG["batch"]] for i in range(0, len(rows), CONFIG["batch"])]
    return random.sample(groups, len(groups))


def padded(lines):
    return pad_sequence(lines, batch_first=True, padding_value=PAD).to(device)


# %% [markdown]
# ## Model
#
# A GRU reads the sentence in both directions, another one writes the translation. Before each
# character it looks at all words again, by attention. **Hint**: a Transformer, with more layers.


# %%
class Translator(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.source = nn.Embedding(len(en_tokens), dim)
        self.target = nn.Embedding(len(zh_tokens), dim)
        self.encoder = nn.GRU(dim, dim // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(dim, dim, batch_first=True)
        self.mix, self.out = nn.Linear(2 * dim, dim), nn.Linear(dim, len(zh_tokens))

    def encode(self, source):  # (n, s) to what is read (n, s, dim), and the last state (1, n, dim)
        lengths = (source != PAD).sum(1).cpu()
        packed = pack_padded_sequence(self.source(source), lengths, True, enforce_sorted=False)
        read, state = self.encoder(packed)
        return pad_packed_sequence(read, True)[0], torch.cat([*state], 1)[None]

    def decode(self, target, read, mask, state):  # logits (n, t, v) of what follows each of target
        h, state = self.decoder(self.target(target), state)
        match = (h @ read.transpose(1, 2)).masked_fill(~mask[:, None], -1e9)  # (n, t, s)
        seen = torch.cat([match.softmax(2) @ read, h], 2)
        return self.out(torch.tanh(self.mix(seen))), state


torch.manual_seed(CONFIG["seed"])
model = Translator(CONFIG["dim"]).to(device)
optimiser = torch.optim.Adam(model.parameters(), CONFIG["lr"])
loss_of = nn.CrossEntropyLoss(ignore_index=PAD)


def batch_loss(rows):
    source, target = padded([sources[row] for row in rows]), padded([targets[row] for row in rows])
    read, state = model.encode(source)
    logits, _ = model.decode(target[:, :-1], read, source != PAD, state)
    return loss_of(logits.flatten(0, 1), target[:, 1:].flatten())


# %% [markdown]
# ## Training
#
# If the machine is taken away, run everything again: it goes on after the last checkpoint.

# %%
CHECKPOINT = WORK / "checkpoint.pt"
history = []  # training and validation loss of each epoch
if CHECKPOINT.exists():
    saved = torch.load(CHECKPOINT, map_location=device, weights_only=True)
    if saved["config"] == CONFIG:
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        history = saved["history"]
        print(f"going on after epoch {len(history)}")

for epoch in range(len(history), CONFIG["epochs"]):
    random.seed(CONFIG["seed"] + epoch)  # the same batches if this epoch runs again
    losses = []
    for rows in batches(range(held, len(pairs))):
        loss = batch_loss(rows)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())

    with torch.no_grad():
        checks = [batch_loss(rows).item() for rows in batches(range(held))]
    history.append((sum(losses) / len(losses), sum(checks) / len(checks)))
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({"config": CONFIG, "history": history, **state}, WORK / "new.pt")
    (WORK / "new.pt").replace(CHECKPOINT)  # whole or not at all
    print(f"epoch {epoch + 1}: loss {history[-1][0]:.3f}, validation {history[-1][1]:.3f}")

# %% [markdown]
# ## Translations
#
# The likeliest character follows, one after the other. **Hint**: beam search. The package sacrebleu
# gives the BLEU of the validation pairs, which is what counts, and not the loss. And there is more
# Chinese without its English: translate it back, with a model for the other direction.


# %%
@torch.no_grad()
def translate(lines):
    source = padded(lines)
    read, state = model.encode(source)
    written = torch.full((len(source), 1), BEGIN, device=device)
    for _ in range(2 * source.shape[1] + 5):
        logits, state = model.decode(written[:, -1:], read, source != PAD, state)
        written = torch.cat([written, logits[:, :, END:].argmax(2) + END], 1)
    rows = [[*row[1:], END] for row in written.tolist()]
    return ["".join(zh_tokens[n] for n in row[: row.index(END)]) or "<unk>" for row in rows]


# %% [markdown]
# ## Submission
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
FILE = WORK / "submission.txt"
chunks = [test[start : start + 100] for start in range(0, len(test), 100)]
lines = [line for part in chunks for line in translate(numbers(map(words, part), en_tokens))]
FILE.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
print(*list(zip(test, lines, strict=True))[:5], sep="\n")

# %%
print(check(FILE, "hw5"))
if SUBMIT:
    print(submit(FILE, "hw5", f"starter, run {CONFIG['run']}"))
