"""The server's API: handing in, and what is refused and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from harness.competition import find_competition
from harness.grading import audit
from leaderboard import enrolment, receipts, records
from tests import classes, test_images, test_reader
from tests.classes import NOW, Class, error, kept, submit

school, local = classes.school, classes.local


def test_a_file_is_accepted_graded_and_on_the_board(school: Class) -> None:
    client = school.client("b01")
    name = "père/../été.csv"
    response = submit(client, school.sample, **{"X-Filename": quote(name), "X-Message": quote("dropout 0.3 – ü")})
    assert response.status_code == 202
    body = response.json()
    assert (body["state"], body["position"], body["quota"]["left"]) == ("queued", 1, 2)
    key = client.get("/api/v1/course").json()["receipt_key"]
    receipt = receipts.verify(json.dumps(body["receipt"]), key)
    assert (receipt.participant, receipt.sha256) == ("b01", hashlib.sha256(school.sample).hexdigest())
    assert client.get(f"/api/v1/submissions/{body['submission']}/receipt").json() == body["receipt"]
    assert school.work() == []
    mine = client.get(f"/api/v1/submissions/{body['submission']}").json()
    assert (mine["state"], mine["file"], mine["message"], mine["rank"]) == (
        "graded",
        "été.csv",
        "dropout 0.3 – ü",
        1,
    )
    (row,) = client.get("/api/v1/homeworks/hw1/board").json()["board"]
    assert (row["name"], row["own"], row["score"]) == ("Ada", True, mine["scores"][0]["public"])
    chosen = client.put("/api/v1/homeworks/hw1/selection", json={"submissions": [body["submission"]]})
    assert chosen.json()["selected"] == [body["submission"]]
    assert audit.verify(school.home)[0] == []


def test_the_same_bytes_again_are_the_same_submission_also_after_the_last_slot(school: Class) -> None:
    client = school.client("b01")
    first = submit(client, school.sample)
    for value in (1.0, 2.0):
        assert submit(client, school.file(value)).status_code == 202
    again = submit(client, school.sample)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["receipt"] == first.json()["receipt"]
    other = submit(client, school.file(1.0), **{"Idempotency-Key": "mine"})
    assert (other.status_code, other.json()["again"]) == (200, True), "another key makes no other submission of them"
    assert submit(client, school.file(3.0), **{"Idempotency-Key": "mine"}).status_code == 429


def test_one_client_key_belongs_to_one_file_of_one_person(school: Class) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = submit(school.client("b01"), school.sample, **headers)
    assert first.status_code == 202
    assert error(submit(school.client("b01"), school.file(1.0), **headers)) == (409, "E_CLIENT_KEY")
    assert submit(school.client("b02"), school.file(1.0), **headers).status_code == 202
    assert submit(school.client("b01"), school.sample, **headers).json()["receipt"] == first.json()["receipt"]


def test_a_refused_file_uses_no_slot_leaves_no_byte_and_says_when_to_come_again(school: Class) -> None:
    client = school.client("b01")
    for value in (1.0, 2.0, 3.0):
        assert submit(client, school.file(value)).status_code == 202
    before = kept(school.home)
    assert len(before) == 3
    refused = submit(client, school.file(4.0))
    assert error(refused) == (429, "E_QUOTA")
    assert 0 < int(refused.headers["retry-after"]) <= 86_401
    with school.home.database() as database:
        enrolment.disable(database, "b02", actor="ian", reason="left", now=NOW)
    assert submit(school.client("b02"), school.file(5.0)).status_code == 401
    assert kept(school.home) == before
    with school.home.database() as database:
        assert records.count_submissions(database, "hw01/1") == 3


def test_a_broken_file_is_accepted_and_its_owner_alone_sees_what_was_wrong(school: Class) -> None:
    broken = b"id,tested_positive\n0,nan\n0,1e400\nx,y,z\n"
    number = submit(school.client("b01"), broken).json()["submission"]
    school.work()
    body = school.client("b01").get(f"/api/v1/submissions/{number}").json()
    assert body["state"] == "rejected"
    assert body["code"] == body["problems"][0]["code"]
    assert len(body["problems"]) > 1
    assert school.client("b01").get("/api/v1/homeworks/hw1/quota").json()["quota"][0]["used"] == 0
    assert school.client("b02").get(f"/api/v1/submissions/{number}").status_code == 404


def test_a_file_that_comes_after_the_end_is_practice(school: Class) -> None:
    school.now = datetime(2027, 3, 27, tzinfo=UTC)
    body = submit(school.client("b01"), school.sample).json()
    assert body["practice"] is True
    assert error(school.client("b01").put("/api/v1/homeworks/hw1/selection", json={"submissions": []})) == (
        409,
        "E_CLOSED",
    )


def test_a_file_that_is_too_large_is_refused_before_it_is_read(local: Class) -> None:
    cap = find_competition(local.home, "hw1").format.max_bytes
    client = local.client("b01")
    assert error(submit(client, b"x" * (cap + 1))) == (413, "E_TOO_LARGE")

    def never() -> Iterator[bytes]:
        raise AssertionError("the body was asked for")
        yield b""

    headers = {"Content-Length": str(10**15)}
    refused = client.post("/api/v1/homeworks/hw1/submissions", content=never(), headers=headers)
    assert error(refused) == (413, "E_TOO_LARGE")
    assert kept(local.home) == set()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Transfer-Encoding": "chunked"}, (411, "E_LENGTH")),
        ({"Content-Length": "-1"}, (411, "E_LENGTH")),
        ({"Content-Length": "1e3"}, (411, "E_LENGTH")),
        ({"Content-Length": "٣"}, (411, "E_LENGTH")),
        ({"Content-Length": "9" * 30}, (411, "E_LENGTH")),
        ({"Content-Length": "3"}, (400, "E_USAGE")),
        ({"Content-Length": "900"}, (400, "E_USAGE")),
        ({"X-Message": "%ff"}, (400, "E_USAGE")),
        ({"X-Filename": "%C0%AF"}, (400, "E_USAGE")),
        ({"X-Message": quote("x" * 501)}, (400, "E_USAGE")),
        ({"Idempotency-Key": ""}, (400, "E_USAGE")),
        ({"Idempotency-Key": "k" * 201}, (400, "E_USAGE")),
        ({"Idempotency-Key": "a\tb"}, (400, "E_USAGE")),
    ],
)
def test_a_request_that_contradicts_itself_is_refused_and_leaves_nothing(
    local: Class, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    client = local.client("b01")
    data = local.sample[:100]
    sent = {name: value.encode() for name, value in headers.items()}
    content: Any = iter([data]) if "Content-Length" in headers or "Transfer-Encoding" in headers else data
    assert error(client.post("/api/v1/homeworks/hw1/submissions", content=content, headers=sent)) == expected
    assert kept(local.home) == set()


@pytest.mark.parametrize(
    "name",
    [
        "../../secret/key",
        "..\\..\\x",
        "/etc/passwd",
        "a\0b.csv",
        "\x1b[31mred.csv",
        "x" * 5000,
        "",
        "\u202evsc.exe",
        "<b>.csv",
    ],
)
def test_a_file_name_is_only_a_text(school: Class, name: str) -> None:
    response = submit(school.client("b01"), school.sample, **{"X-Filename": quote(name, safe="")})
    assert response.status_code == 202
    shown = school.client("b01").get(f"/api/v1/submissions/{response.json()['submission']}").json()["file"]
    assert "/" not in shown
    assert len(shown) <= 210
    assert "\0" not in shown
    assert len(kept(school.home)) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"submissions": 1}',
        b'{"submissions": ["1"]}',
        b'{"submissions": [true]}',
        b'{"submissions": [1.0]}',
        b'{"submissions": [-1]}',
        b'{"submissions": [9223372036854775808]}',
        b"\xff",
        b'{"submissions": [' + b"1," * 200 + b"1]}",
        b"[" * 60_000,
        b'{"submissions": [NaN]}',
        b'{"submissions": [null]}',
        b'{"submissions": [[1]]}',
        b'{"submissions": ["\xef\xbc\x91"]}',
        b'{"submissions": [' + b"9" * 5000 + b"]}",
        b'{"submissions": [-' + b"9" * 5000 + b"]}",
    ],
)
def test_a_selection_that_is_no_list_of_numbers_is_refused(local: Class, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = local.client("b01").put("/api/v1/homeworks/hw1/selection", content=body, headers=headers)
    assert error(response) == (400, "E_USAGE")


def test_a_body_that_does_not_say_it_is_json_or_is_too_long_is_refused(local: Class) -> None:
    client = local.client("b01")
    path = "/api/v1/homeworks/hw1/selection"
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        response = client.put(path, content=b'{"submissions": []}', headers={"Content-Type": kind})
        assert error(response) == (400, "E_USAGE")
    long = client.put(path, content=b" " * 70_000, headers={"Content-Type": "application/json"})
    assert error(long) == (413, "E_TOO_LARGE")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_every_hostile_table_is_accepted_refused_with_its_code_and_never_an_error(local: Class, part: int) -> None:
    client = local.client("b01")
    numbers: dict[str, int] = {}
    for name, data, *_ in test_reader.TRAPS[part::5]:
        response = submit(client, data, **{"Idempotency-Key": f"trap {len(numbers)}"})
        assert response.status_code == (200 if response.json()["again"] else 202), name
        numbers[name] = response.json()["submission"]
    assert local.work() == []
    for name, number in numbers.items():
        body = client.get(f"/api/v1/submissions/{number}").json()
        assert body["state"] == "rejected", name
        assert body["problems"], name
    assert len(numbers) > 10
    assert audit.verify(local.home)[0] == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_every_hostile_archive_of_images_is_accepted_and_refused_with_its_code(local: Class, part: int) -> None:
    client = local.client("b01")
    cap = find_competition(local.home, "hw1").format.max_bytes
    numbers: dict[str, tuple[str, int]] = {}
    for name, (code, build) in list(test_images.REFUSED.items())[part::4]:
        data = build()
        response = submit(client, data, **{"Idempotency-Key": f"archive {len(numbers)}"})
        assert response.status_code in ((413,) if len(data) > cap else (202, 200)), name
        if response.status_code != 413:
            numbers[name] = (code, response.json()["submission"])
    assert local.work(format=test_images.FORM) == []
    for name, (code, number) in numbers.items():
        body = client.get(f"/api/v1/submissions/{number}").json()
        assert body["state"] == "rejected", name
        assert code in {problem["code"] for problem in body["problems"]}, name
    assert len(numbers) > 5
