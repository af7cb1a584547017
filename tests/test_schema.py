"""The description of the API holds, and no request made from it ends in an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import validate  # type: ignore[import-untyped]
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from harness.home import open_home
from harness.server.app import make_app
from tests.classes import NOW, WIDE, Class, make_class, submit

ROLES = ("nobody", "b01", "tom", "ian")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]
DESCRIBED = make_app(open_home(Path("nowhere")), WIDE, lambda: NOW, lambda line: None).openapi()
OPERATIONS = [(path, method) for path, methods in DESCRIBED["paths"].items() for method in methods]
SENT = ("params", "json", "content", "headers")


@pytest.fixture(scope="module")
def school(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    """A course in which something was handed in."""
    root = tmp_path_factory.mktemp("schema")
    made = make_class(course, root / "home", f"sqlite:///{root / 'leaderboard.db'}", quota=10_000)
    for key in ("b01", "b02"):
        assert submit(made.client(key), made.file(float(key[1:]))).status_code == 202
    made.work()
    yield made
    made.close()


def schema_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The schema of a JSON answer, followed to its component."""
    schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
    if "$ref" in schema:
        schema = DESCRIBED["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_json_answer_has_a_schema_that_names_its_fields(path: str, method: str) -> None:
    found = [answer for status, answer in DESCRIBED["paths"][path][method]["responses"].items() if status[0] == "2"]
    assert found
    for answer in found:
        if "application/json" in answer["content"]:
            schema = schema_of(answer)
            assert schema["properties"].keys() >= {"schema"}
            assert schema.get("additionalProperties", False) is not True


def test_every_answer_is_as_its_schema_says(school: Class) -> None:
    asked = 0
    for path, methods in DESCRIBED["paths"].items():
        found = methods.get("get", {"responses": {}})["responses"].get("200", {"content": {}})
        if "application/json" not in found["content"]:
            continue
        schema = found["content"]["application/json"]["schema"] | {"components": DESCRIBED["components"]}
        for role in ROLES:
            answer = school.client(role).get(
                path.replace("{hw}", "hw1").replace("{number}", "1").replace("{key}", "b01")
            )
            if answer.status_code == 200:
                validate(answer.json(), schema)
                fields = schema_of(found)
                extra = answer.json().keys() - fields["properties"].keys()
                assert not extra or "additionalProperties" in fields, (path, extra)
                asked += 1
    assert asked > 30


OF_FASTAPI = {"HTTPValidationError", "ValidationError"}
"""Components that no answer of ours refers to."""


def free_objects(schema: Any, place: str) -> Iterator[str]:
    """The places of a schema that say nothing of an object's fields."""
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is True or schema == {"type": "object"}:
            yield place
        for name, part in schema.items():
            yield from free_objects(part, f"{place}/{name}")
    if isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from free_objects(part, f"{place}/{number}")


def test_no_object_of_an_answer_or_an_error_is_left_undescribed() -> None:
    components = {name: one for name, one in DESCRIBED["components"]["schemas"].items() if name not in OF_FASTAPI}
    form = [place for place in free_objects(components, "") if not place.startswith("/Homework/additionalProperties")]
    assert form == [], "but for the values of a format, which are those of its kind"
    assert list(free_objects(DESCRIBED["paths"], "")) == []
    assert list(free_objects({"a": [{"b": {"type": "object"}}]}, "")) == ["/a/0/b"]


def test_what_is_handed_in_and_what_is_refused_is_answered_as_described(school: Class) -> None:
    client = school.client("b01")
    path, selection = "/api/v1/homeworks/{hw}/submissions", "/api/v1/homeworks/{hw}/selection"
    wrong = client.put(selection.replace("{hw}", "hw1"), json={"submissions": "x"})
    answers = [
        (202, path, "post", submit(client, school.file(17.0))),
        (200, path, "post", submit(client, school.file(17.0))),
        (400, selection, "put", wrong),
        (404, "/api/v1/submissions/{number}", "get", client.get("/api/v1/submissions/x")),
    ]
    for status, place, method, answer in answers:
        assert answer.status_code == status, answer.text
        described = DESCRIBED["paths"][place][method]["responses"][str(status)]
        schema = described["content"]["application/json"]["schema"]
        validate(answer.json(), schema | {"components": DESCRIBED["components"]})
    receipt = answers[0][3].json()["receipt"]
    assert receipt.keys() <= DESCRIBED["components"]["schemas"]["SignedReceipt"]["properties"].keys()
    assert answers[-1][3].json()["error"]["details"]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_made_from_the_description_ends_in_an_error_of_ours(school: Class, path: str, method: str) -> None:
    operation = schemathesis.openapi.from_dict(DESCRIBED)[path][method.upper()]
    sent = []

    @settings(
        max_examples=12,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(), st.sampled_from(ROLES), st.booleans())
    def ask(case: Any, role: str, known: bool) -> None:
        if known:  # else hardly any would name something that is there
            case.path_parameters |= {
                name: {"hw": "hw1", "number": 1, "name": "sample_submission.csv", "key": "b01", "old": "otters"}[name]
                for name in case.path_parameters
            }
        values = case.as_transport_kwargs(base_url="http://testserver")
        request = {name: values[name] for name in SENT if values.get(name) is not None}
        if values.get("data") is not None:
            request["content"] = values["data"]
        try:
            response = school.client(role).request(values["method"], values["url"], **request)
        except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError, TypeError):
            return  # no client can send it
        sent.append(response.status_code)
        case.validate_response(response, checks=CHECKS)

    ask()
    assert len(sent) > 3
