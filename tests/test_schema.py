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
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from harness.home import open_home
from harness.server.app import make_app
from tests.test_server import NOW, WIDE, Class, make_class, submit

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
                name: {"hw": "hw1", "number": 1, "name": "sample_submission.csv"}[name] for name in case.path_parameters
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
