"""HW10: the world, the networks, the ball to the pixel, the black box and its secrets, the attacks."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from baselines import hw10_attack as baseline
from harness.answers import Secret
from harness.grading.scoring import grade_here
from submissions.reader import read
from tasks.base import PUBLIC, SubmissionError, UserError
from tasks.hw10_attack import (
    ATTACKED,
    EPSILON,
    PICTURES_FILE,
    judge,
    networks,
    victims,
    world,
)
from tests import hw10_given
from tests.bench.tricks import hw10 as tricks
from tests.conftest import few, made_in
from tests.hw10_given import FORM, given_pictures, moved, swapped

home, public, secret = hw10_given.home, hw10_given.public, hw10_given.secret


# The world


def test_students_get_pictures_three_networks_and_what_these_learned_from(public: Path) -> None:
    pictures = given_pictures(public)
    assert (str(pictures.dtype), pictures.shape) == ("uint8", (200, 32, 32, 3))
    for name, picture in zip(FORM.names, pictures, strict=True):
        assert np.array_equal(np.asarray(Image.open(public / "images" / name)), picture)
    assert len({picture.tobytes() for picture in pictures}) == 200
    training, labels = np.load(public / "training_images.npy"), np.load(public / "training_labels.npy")
    assert training.shape == (120, 32, 32, 3)
    assert np.bincount(labels).tolist() == [12] * 10
    assert not {picture.tobytes() for picture in pictures} & {picture.tobytes() for picture in training}
    sample = read((public / "sample_submission.tgz").read_bytes(), FORM)["image"]
    assert np.array_equal(sample, pictures)
    assert (public / "sample_submission.tgz").stat().st_size < 1_000_000


def test_the_black_box_knows_the_pictures_it_was_made_for_and_ten_of_each_class_are_public(
    secret: Secret, public: Path
) -> None:
    grade = grade_here(secret, (public / "sample_submission.tgz").read_bytes())
    assert (grade.scores[0].public, grade.scores[0].private) == (1.0, 1.0)
    assert (grade.n_public, grade.n_private) == (100, 100)
    usage = secret.answers.usage
    assert usage is not None
    assert (usage.reshape(10, 20) == PUBLIC).sum(axis=1).tolist() == [10] * 10
    assert secret.answers.columns == {}


def test_no_file_of_a_student_holds_the_black_box(public: Path, secret: Secret) -> None:
    hidden = victims.hidden_files(secret.folder)
    weights = [value.numpy().tobytes() for data in hidden.values() for value in networks.loads(data).parameters()]
    shown = b"".join(path.read_bytes() for path in public.rglob("*") if path.is_file())
    assert all(value not in shown for value in weights if len(value) >= 64)
    assert not [path for path in public.rglob("*") if path.stem in hidden]
    proxies = {path.stem for path in (public / "proxies").glob("*.safetensors")}
    assert proxies == {one.name for one in victims.PROXIES}


def taken(folder: Path, processes: int | None = 1, seed: int = 1) -> dict[str, bytes]:
    made = made_in(folder, partial(world.make, "builtin", processes=processes), seed)
    assert made.secret is not None
    return {
        path.relative_to(folder.parent / root.name).as_posix(): path.read_bytes()
        for root in (folder, made.secret)
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_another_process_makes_the_same_bytes_and_another_key_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch)
    monkeypatch.setitem(world.SIZES, "small", (60, 200, 1, 1))
    one = taken(tmp_path / "one")
    monkeypatch.setattr(victims, "LITTLE", 0)
    monkeypatch.setattr(victims, "BATCH", 25)  # what the other processes read
    alone, two = taken(tmp_path / "alone"), taken(tmp_path / "two", processes=2)
    assert alone == two
    assert one.keys() == alone.keys()
    other = taken(tmp_path / "other", seed=2)
    names = [f"{part.name}.safetensors" for part in victims.HIDDEN] + [PICTURES_FILE]
    assert all(other[name] != alone[name] for name in names)


# The networks


@pytest.mark.parametrize("kind", networks.KINDS)
def test_a_network_survives_its_file_and_takes_pictures_of_any_side(kind: str) -> None:
    torch.manual_seed(0)
    network = networks.Network(kind, (4, 6, 8)).eval()
    again = networks.loads(networks.dump(network))
    x = torch.rand(3, 3, 32, 32)
    assert torch.equal(network(x), again(x))
    assert network(x[:, :, :24, :28]).shape == (3, 10)
    assert not any(weight.requires_grad for weight in again.parameters())
    x.requires_grad_()
    again(x).sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0


def test_what_a_network_says_depends_neither_on_the_other_pictures_nor_on_the_threads(public: Path) -> None:
    network, pictures = networks.load(public / "proxies/1_plain.safetensors"), given_pictures(public)
    before = torch.get_num_threads()
    whole = victims.says(network, pictures)
    try:
        torch.set_num_threads(2)
        assert np.array_equal(victims.says(network, pictures[::-1])[::-1], whole)
        assert np.array_equal(victims.says(network, pictures[17:18]), whole[17:18])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_defence_changes_what_is_seen_and_the_black_box_is_the_mean(secret: Secret, public: Path) -> None:
    pictures, files = given_pictures(public), victims.hidden_files(secret.folder)
    for defence in ("jpeg", "blur"):
        seen = victims.defended(pictures, defence)
        assert (seen.shape, str(seen.dtype)) == (pictures.shape, "uint8")
        assert 0 < np.abs(seen.astype(int) - pictures).mean() < 25
    by_hand = np.mean(
        [
            victims.says(networks.loads(files[one.name]), victims.defended(pictures, one.defence))
            for one in victims.HIDDEN
        ],
        axis=0,
    )
    assert [one.defence for one in victims.HIDDEN].count("none") == 2
    assert np.array_equal(victims.black_box(files, pictures), by_hand.argmax(axis=1))


# The ball


def test_eight_is_allowed_and_nine_is_named_with_its_pixel(public: Path, secret: Secret) -> None:
    pictures = given_pictures(public)
    x = pictures.astype(np.int16)
    rng = np.random.default_rng(0)
    far = (x + EPSILON * rng.choice([-1, 1], x.shape)).clip(0, 255).astype(np.uint8)
    assert judge.check(FORM, {"image": far}, public).notes == ()
    for place in ((0, 0, 0, 0), (45, 31, 2, 2), (199, 31, 31, 1)):
        wrong = far.copy()
        at = int(pictures[place])
        wrong[place] = at + 9 if at < 128 else at - 9
        for folder in (public, secret.folder):
            with pytest.raises(SubmissionError) as caught:
                judge.check(FORM, {"image": wrong}, folder)
            (problem,) = caught.value.problems
            colour = ("red", "green", "blue")[place[3]]
            assert problem.message.startswith(f"{FORM.names[place[0]]}: 1 pixel differs by more than 8; ")
            assert f"row {place[1]}, column {place[2]}, {colour}: {wrong[place]}, given {at}." in problem.message
            assert problem.expected == f"{max(0, at - 8)} to {min(255, at + 8)}"


def test_a_difference_around_the_end_of_the_bytes_is_none_of_eight() -> None:
    given, moved_to = np.zeros((200, 32, 32, 3), np.uint8), np.full((200, 32, 32, 3), 250, np.uint8)
    folder = Path("nowhere")
    assert "not compared" in judge.check(FORM, {"image": moved_to}, folder).notes[0]
    assert int((moved_to - given).max()) == 250
    assert int((given - moved_to).max()) == 6, "which unsigned bytes would let through"


@pytest.mark.parametrize("data", [b"", b"text", b"\x93NUMPY\1\0"])
def test_given_pictures_that_are_damaged_are_an_error_that_says_so(data: bytes, public: Path, tmp_path: Path) -> None:
    (tmp_path / PICTURES_FILE).write_bytes(data)
    with pytest.raises(UserError, match="the given pictures are damaged"):
        judge.check(FORM, {"image": given_pictures(public)}, tmp_path)
    np.save(tmp_path / PICTURES_FILE, given_pictures(public)[:7])
    with pytest.raises(UserError, match="the given pictures are damaged"):
        judge.check(FORM, {"image": given_pictures(public)}, tmp_path)


def test_many_pictures_out_of_the_ball_are_counted_and_some_named(public: Path) -> None:
    pictures = given_pictures(public)
    with pytest.raises(SubmissionError) as caught:
        judge.check(FORM, {"image": 255 - pictures}, public)
    assert len(caught.value.problems) == judge.MOST_SHOWN
    assert caught.value.total > 190


def test_no_refusal_and_no_note_depends_on_the_black_box(public: Path, secret: Secret, tmp_path: Path) -> None:
    data = (public / "sample_submission.tgz").read_bytes()
    assert grade_here(secret, data).notes == ()
    folder = Path(shutil.copytree(secret.folder, tmp_path / "secret"))
    for one in victims.HIDDEN:
        (folder / f"{one.name}.safetensors").write_bytes(b"damaged")
    wrong = swapped(moved(9))(data)
    told = []
    for place in (secret.folder, folder):
        with pytest.raises(SubmissionError) as caught:
            judge.check(FORM, read(wrong, FORM), place)
        told.append(str(caught.value))
    assert told[0] == told[1]


def test_the_metric_is_a_share_with_wilsons_interval() -> None:
    rows = ATTACKED.rows({}, {"right": np.arange(200) % 4 == 0})
    weight = np.arange(200) < 100
    assert ATTACKED.value(rows, weight) == 0.25
    low, high = ATTACKED.interval(rows, weight) or (0.0, 0.0)
    assert (round(low, 4), round(high, 4)) == (0.1755, 0.3430)


# The attacks


def little(seed: int = 0) -> tuple[list[networks.Network], torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    proxies = [networks.Network(kind, (4, 6, 8)).eval().requires_grad_(False) for kind in networks.KINDS]
    return proxies, torch.rand(6, 3, 32, 32), torch.arange(6)


def test_the_gradient_is_that_of_the_loss_of_the_mean_logits() -> None:
    proxies, x, y = little()
    way = baseline.diverse_gradient(proxies, x, y, baseline.Config(), torch.Generator())
    leaf = x.clone().requires_grad_()
    logits = sum(network(leaf) for network in proxies) / 3
    (functional.cross_entropy(logits, y) * len(y)).backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert torch.allclose(way, leaf.grad, atol=1e-6)


def test_fgsm_is_one_step_to_the_corner_of_the_ball_and_many_steps_stay_in_it() -> None:
    proxies, x, y = little()
    config, generator = baseline.Config(moves=2, copies=2, diversity=0.5), torch.Generator().manual_seed(0)
    way = baseline.diverse_gradient(proxies, x, y, baseline.Config(), generator)
    one = baseline.sign_step(x, way, x, 8 / 255)
    assert torch.equal(one, (x + 8 / 255 * way.sign()).clamp(0, 1))
    many = x
    for _ in range(20):
        many = baseline.sign_step(many, baseline.diverse_gradient(proxies, many, y, config, generator), x, 2 / 255)
    assert float((many - x).abs().max()) <= 8 / 255 + 1e-6
    assert float(many.min()) >= 0
    assert float(many.max()) <= 1


def test_momentum_sums_gradients_of_mean_size_one_and_survives_a_zero() -> None:
    first, second = torch.full((1, 3, 2, 2), 5.0), torch.full((1, 3, 2, 2), -0.1)
    velocity = baseline.momentum(torch.zeros_like(first), first, 1.0)
    assert torch.allclose(velocity, torch.ones_like(first))
    assert torch.allclose(baseline.momentum(velocity, second, 0.5), torch.full_like(first, -0.5))
    assert torch.isfinite(baseline.momentum(velocity, torch.zeros_like(first), 1.0)).all()


def test_a_copy_is_mirrored_moved_and_lit_and_its_gradient_comes_back_to_its_place() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(1, 3, 32, 32)
    x[..., 10, 10] = 1.0
    places = set()
    for _ in range(200):
        leaf = x.clone().requires_grad_()
        seen = baseline.turned(leaf, 3, generator)
        peak = int((seen[0, 0] - 0.5).argmax())
        places.add(divmod(peak, 32))
        (back,) = torch.autograd.grad(seen[0, 0].flatten()[peak], leaf)
        assert back[0, 0].nonzero().tolist() == [[10, 10]]
        assert 0.69 <= float(back[0, 0, 10, 10]) <= 1.31
    rows, columns = ({place[axis] for place in places} for axis in (0, 1))
    assert rows == set(range(7, 14))
    assert columns == rows | {31 - column for column in rows}


def test_a_resized_copy_is_smaller_and_padded() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.ones(2, 3, 32, 32)
    sides = set()
    for _ in range(60):
        seen = baseline.resized(x, 1.0, 0.75, generator)
        assert seen.shape == x.shape
        sides.add(round(float((seen[0, 0] == 1).sum()) ** 0.5))
    assert min(sides) == 24
    assert max(sides) == 32
    assert baseline.resized(x, 0.0, 0.75, generator) is x


def test_what_is_saved_of_any_level_is_in_the_ball(public: Path) -> None:
    pictures = given_pictures(public)[:10]
    x = victims.prepared(pictures)
    generator = torch.Generator().manual_seed(0)
    for by in (8 / 255, -8 / 255, 8.4 / 255):
        back = baseline.saved((x + by * torch.rand(x.shape, generator=generator).round()).clamp(0, 1))
        assert int(np.abs(back.astype(int) - pictures).max()) <= EPSILON
    assert np.array_equal(baseline.saved(x), pictures)


def test_a_proxy_that_is_attacked_forgets_what_it_knew(public: Path) -> None:
    pictures = given_pictures(public)
    proxies = baseline.read_proxies(public, "cpu")
    found = tricks.attacked(pictures, proxies[:1], baseline.Config(epochs=5, step=2.0))
    said = victims.says(proxies[0], found).argmax(axis=1)
    assert (said == tricks.LABELS).mean() < 0.5 * (victims.says(proxies[0], pictures).argmax(1) == tricks.LABELS).mean()
