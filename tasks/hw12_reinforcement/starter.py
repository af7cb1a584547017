# %% [markdown]
# # HW12: reinforcement learning
#
# Land a craft on the moon. You hand in the policy: a network that says what to do in each state.
# The grader flies it from starts that nobody knows. `lhy-grade tasks hw12` has the rules.
#
# This is a first model that works, from the data to the submission. It is there to be changed:
# remarks that begin with **Hint** say where. It needs `pip install ".[train]"` of `lhy-grade`, and
# takes two minutes on a laptop.

# %%
import functools
import sys

import numpy as np
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
    "hidden": 64,  # units of each of the two hidden layers
    "rounds": 120,
    "episodes": 16,  # flown in a round
    "frames": 400,  # of an episode while learning: to hover longer teaches nothing
    "hold": 4,  # frames for which a drawn action is held
    "gamma": 0.96,  # what a reward is worth an action earlier. Hint: landing is far away
    "sharp": 10,  # by which the numbers of the policy are multiplied in the last round
    "lr": 3e-3,  # in the first round; it falls to nothing
}
SUBMIT = True  # False: only check the file

# %% [markdown]
# ## Data
#
# They are where you prepared them (`lhy-grade prepare hw12`), or come from your course's server, as
# one archive: log in with `lhy-grade login URL`, or set `LHY_GRADE_SERVER` and `LHY_GRADE_TOKEN` in
# the environment, on Colab in its secrets. A token is a password: never write it into a notebook.
#
# They are the craft: its main engine also turns it, and the gravity is that of another moon. This
# notebook is not for the editions in which actions are handed in, which have no `environment.py`.

# %%
DATA = data_folder("hw12")
WORK = work_folder("hw12")  # for checkpoints; on Colab a folder of your Drive, which stays

sys.path.append(str(DATA))
from environment import make

craft = make()
print("a state has", craft.observation_space.shape[0], "numbers; actions:", craft.action_space.n)


def fly(choose, seed, most=1000, hold=1):
    """The states, actions and rewards of one episode; an action is held for some frames."""
    state, _ = craft.reset(seed=seed)
    states, actions, rewards, over = [], [], [], False
    while not over and hold * len(states) < most:
        action = choose(state)
        states.append(state)
        actions.append(action)
        rewards.append(0.0)
        for _ in range(hold):
            if not over:
                state, reward, ended, stopped, _ = craft.step(action)
                rewards[-1] += float(reward)
                over = ended or stopped
    return states, actions, rewards


_, _, rewards = fly(lambda state: 0, seed=0)
print(f"with the engines off: {len(rewards)} frames, {sum(rewards):.0f} in all")

# %% [markdown]
# ## Model
#
# The policy gives a number for each of the four actions; their softmax are probabilities.
# **Hint**: wider layers, and a second network, the critic, that learns what a state is worth.

# %%
torch.manual_seed(CONFIG["seed"])
model = nn.Sequential(
    nn.Linear(8, CONFIG["hidden"]),
    nn.Tanh(),
    nn.Linear(CONFIG["hidden"], CONFIG["hidden"]),
    nn.Tanh(),
    nn.Linear(CONFIG["hidden"], 4),
)
for layer in (model[0], model[2]):
    nn.init.orthogonal_(layer.weight, 2**0.5)
nn.init.zeros_(model[4].weight)  # at first all actions are about as likely
optimiser = torch.optim.Adam(model.parameters(), CONFIG["lr"])


def draw(state, sharp):
    with torch.no_grad():
        return (sharp * model(torch.from_numpy(state))).softmax(0).multinomial(1).item()


def returns(rewards):
    """The sum of the rewards from each action on (n,)."""
    total, sums = 0.0, []
    for reward in reversed(rewards):
        total = reward + CONFIG["gamma"] * total
        sums.append(total)
    return torch.tensor(sums[::-1])


def likeliest(state):
    """What the grader does: it takes the action with the largest number."""
    with torch.no_grad():
        return model(torch.from_numpy(state)).argmax().item()


# %% [markdown]
# ## Training
#
# If the machine is taken away, run everything again: it goes on after the last checkpoint.
#
# An action becomes likelier, or less likely, by its weight: the sum of the rewards from there on,
# each worth a little less than the one before. **Hint**: weigh it by how much better that is than
# the critic expected; use the same actions several times, but stay near the policy that drew them.
#
# While learning, actions are drawn, and held for a few frames, or the craft only trembles. The
# grader takes the likeliest action of every frame, which an undecided policy crashes with. So the
# policy is made sharper from round to round. **Hint**: which of the two flights earn more, and why?

# %%
CHECKPOINT, BEST = WORK / "checkpoint.pt", WORK / "best.pt"
history = []  # mean reward of the episodes of each round
best = float("-inf")  # of the policies that were tried as the grader does


def save(path, **parts):
    new = path.with_suffix(".new")
    torch.save(parts, new)
    new.replace(path)  # whole or not at all


if CHECKPOINT.exists():
    saved = torch.load(CHECKPOINT, weights_only=True)
    if saved["config"] == CONFIG:
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        history, best = saved["history"], saved["best"]
        print(f"going on after update {len(history)}")

for number in range(len(history), CONFIG["rounds"]):
    torch.manual_seed(CONFIG["seed"] + number)  # the same episodes if this round runs again
    starts = 1000 + CONFIG["episodes"] * number + np.arange(CONFIG["episodes"])
    sharp = CONFIG["sharp"] ** (number / CONFIG["rounds"])
    optimiser.param_groups[0]["lr"] = CONFIG["lr"] * (1 - number / CONFIG["rounds"])
    drawn = functools.partial(draw, sharp=sharp)
    flights = [fly(drawn, int(seed), CONFIG["frames"], CONFIG["hold"]) for seed in starts]
    states = torch.from_numpy(np.concatenate([states for states, _, _ in flights]))
    actions = torch.tensor([action for _, actions, _ in flights for action in actions])
    weight = torch.cat([returns(rewards) for _, _, rewards in flights])
    weight = (weight - weight.mean()) / (weight.std() + 1e-9)

    for rows in torch.randperm(len(weight)).split(256):
        chosen = (sharp * model(states[rows])).log_softmax(1).gather(1, actions[rows, None])[:, 0]
        loss = -(weight[rows] * chosen).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)  # no update may undo many
        optimiser.step()

    history.append(sum(sum(rewards) for _, _, rewards in flights) / len(flights))
    if (number + 1) % 10 == 0 or number + 1 == CONFIG["rounds"]:
        tried = sum(sum(fly(likeliest, seed)[2]) for seed in range(20)) / 20
        if tried > best:
            best = tried
            save(BEST, model=model.state_dict())
        parts = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
        save(CHECKPOINT, config=CONFIG, history=history, best=best, **parts)
        recent = sum(history[-10:]) / len(history[-10:])
        print(f"update {number + 1}: reward {recent:.0f} while learning, {tried:.0f} when tried")

# %% [markdown]
# ## Submission
#
# The policy as one ONNX graph, which takes any number of states at once.
#
# `check` reads the file as the grader does and uses nothing up. `submit` uses one submission of the
# day; the same file again uses none.

# %%
model.load_state_dict(torch.load(BEST, weights_only=True)["model"])
model.eval()
FILE = WORK / "policy.onnx"
names = {"input_names": ["state"], "output_names": ["action"]}
sizes = {"state": {0: "n"}, "action": {0: "n"}}
torch.onnx.export(model, (torch.zeros(2, 8),), FILE, **names, dynamic_axes=sizes, dynamo=False)

# %%
print(check(FILE, "hw12"))
if SUBMIT:
    print(submit(FILE, "hw12", f"starter, run {CONFIG['run']}"))
