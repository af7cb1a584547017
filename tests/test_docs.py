"""The documentation is true: what is generated is up to date, links lead somewhere, keys and codes exist.

`python tests/test_docs.py` writes the generated parts anew.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

sys.path[:0] = [str(Path(__file__).parents[1])] if __name__ == "__main__" else []

from harness.course.gradebook import Total  # noqa: E402
from harness.home import CONFIG, FOR_POINTS, TOTAL  # noqa: E402
from harness.settings import Settings  # noqa: E402
from tasks.base import Rules  # noqa: E402
from tasks.homeworks import MODULES, all_tasks, find_task  # noqa: E402
from tests.bench import gallery, results  # noqa: E402
from tests.generated import (  # noqa: E402
    DOCS,
    ERRORS,
    FOLDERS,
    PAGES,
    README,
    ROOT,
    blocks,
    read,
    rewrite,
    tables_of_codes,
)

# What is generated.


def between(text: str, mark: str) -> str:
    return text.partition(f"<!-- {mark} -->\n")[2].partition(f"\n<!-- /{mark} -->")[0]


@pytest.mark.parametrize(("page", "mark"), blocks(), ids=lambda value: value if isinstance(value, str) else value.name)
def test_what_is_generated_is_up_to_date(page: Path, mark: str) -> None:
    assert between(read(page), mark) == blocks()[page, mark](), "python tests/test_docs.py rewrites these blocks"


def test_the_readme_is_short() -> None:
    assert len(read(README).splitlines()) <= 200


# Links.


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", read(path), flags=re.MULTILINE | re.DOTALL)
    return {slug(heading.strip()) for heading in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)}


def links(path: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", read(path), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "sheet.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_every_page_of_the_documentation_can_be_reached_from_the_readme() -> None:
    reached, todo = set(), [README]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        there = (link.partition("#")[0] for link in links(page) if not link.startswith("http"))
        todo += [(page.parent / name).resolve() for name in there if name]
    assert set(DOCS.rglob("*.md")) <= reached


# Settings.


def keys_under(heading: str) -> dict[str, list[str]]:
    """The cells of the table below a heading of docs/class.md, by the key in its first column."""
    text = read(DOCS / "class.md").partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:3] == "| `"]
    return {row[0].strip(" `"): row[1:] for row in rows}


def test_the_settings_of_config_toml_are_those_that_exist() -> None:
    assert set(keys_under("Of the server")) == {field.name for field in fields(Settings)}
    assert set(keys_under("Of one homework")) == {field.name for field in fields(Rules)} | set(FOR_POINTS)
    template = re.findall(r"^# (\w+) = ", CONFIG, flags=re.MULTILINE)
    assert set(keys_under("Of the course total")) == {field.name for field in fields(Total)} == set(TOTAL)
    own, total, server = CONFIG.index("[hw01]"), CONFIG.index("[total]"), CONFIG.index("[server]")
    assert template
    for heading, part in {
        "Of the course": CONFIG[:own],
        "Of one homework": CONFIG[own:total],
        "Of the course total": CONFIG[total:server],
        "Of the server": CONFIG[server:],
    }.items():
        known = set(re.findall(r"^# (\w+) = ", part, flags=re.MULTILINE))
        assert known
        assert known <= set(keys_under(heading)) if heading != "Of the course" else known == set(keys_under(heading))


def test_the_defaults_of_settings_are_those_that_hold() -> None:
    for heading, settings in (("Of the server", fields(Settings)), ("Of one homework", fields(Rules))):
        for field in settings:
            default = field.default
            shown = keys_under(heading)[field.name][0]
            assert shown == ("–" if default in ("", None) else f"`{default}`"), field.name


# Errors.


def codes_in_source() -> dict[str, set[str]]:
    """Every string that is an error code, outside of the tables, with the files that have it."""
    found: dict[str, set[str]] = {}
    for folder in FOLDERS[:-1]:
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(read(path))
            tables = {
                id(key)
                for node in ast.walk(tree)
                if isinstance(node, (ast.Assign, ast.AnnAssign))
                and node.value is not None
                and "CODES" in {getattr(t, "id", "") for t in getattr(node, "targets", [getattr(node, "target", None)])}
                for key in ast.walk(node.value)
            }
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in tables:
                    for code in (re.fullmatch(r"E_[A-Z0-9_]+", node.value) and [node.value]) or []:
                        found.setdefault(code, set()).add(path.relative_to(ROOT).as_posix())
    return found


def test_every_error_code_is_in_a_table_and_every_entry_is_used() -> None:
    used = codes_in_source()
    listed = {code for codes in tables_of_codes().values() for code in codes}
    assert len(used) > 100
    assert {code: used[code] for code in set(used) - listed} == {}, "add them to the CODES of their room"
    assert listed - set(used) == set(), "no code raises these"


def test_every_table_of_codes_is_in_the_documentation() -> None:
    there = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for folder in FOLDERS[:-1]
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"^CODES\b.* = ", read(path), flags=re.MULTILINE)
    }
    assert there == set(ERRORS.values())


def test_every_code_says_what_it_means_and_what_to_do() -> None:
    for codes in tables_of_codes().values():
        for code, text in codes.items():
            meaning, _, remedy = text.partition(". ")
            assert meaning, code
            assert remedy, f"{code} does not say what to do"
            assert "`" not in meaning or meaning.count("`") % 2 == 0, code


def test_every_module_has_a_docstring() -> None:
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            if read(path) and path.name != "starter.py":  # or it begins with the first cell of a notebook
                assert ast.get_docstring(ast.parse(read(path))), path


def test_every_homework_has_a_folder_sample_code_a_baseline_results_and_a_page() -> None:
    for module in MODULES:
        name = module[:4]
        assert find_task(name) is not None
        assert (ROOT / "tasks" / module / "sheet.md").exists()
        assert (ROOT / "tasks" / module / "starter.py").exists()
        assert (ROOT / "baselines" / f"{module}.py").exists()
        assert (DOCS / "homeworks" / f"{name}.md").exists()
        assert (results.FOLDER / f"{name}.jsonl").exists()
    assert {task.name for task in all_tasks()} == {f"hw{number:02d}" for number in range(1, 16)}


def test_the_gallery_has_the_pictures_of_today_and_is_small() -> None:
    with Image.open(gallery.GALLERY) as picture:
        shown = json.loads(picture.info["pictures"])
    assert shown == gallery.marks(), "python tests/bench/gallery.py makes it anew"
    assert gallery.GALLERY.stat().st_size <= 300_000


def test_every_package_is_installed() -> None:
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for folder in FOLDERS[:-1]
        for path in (ROOT / folder).rglob("*.py")
    }
    assert set(listed) == there


if __name__ == "__main__":
    rewrite()
