"""The rules of the house, read off the source: who imports whom, what is never used, and where text may be printed."""

from __future__ import annotations

import ast
import contextlib
import io
import tokenize
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("harness", "baselines", "submissions", "leaderboard", "tasks")
ALLOWED = {
    "harness": {"harness", "baselines", "submissions", "leaderboard", "tasks"},
    "baselines": {"baselines", "tasks"},
    "submissions": {"submissions", "tasks"},
    "leaderboard": {"leaderboard", "tasks.errors"},
    "tasks": {"tasks"},
}
ROOMS = {
    "cli": {"cli", "server", "course", "grading"},
    "server": {"server", "course", "grading"},
    "course": {"course", "grading"},
    "grading": {"grading"},
}
"""Which rooms of the harness each one imports."""
ABOVE = {"harness/notebook.py": {"cli", "course"}, "harness/sweep.py": {"grading"}}
"""The files beside the rooms that stand on some of them: the grader in a notebook, and levels over seeds."""
LONGEST = 475
"""Lines of a file, but of a table of words."""
HEAVY = {
    "alembic", "cryptography", "matplotlib", "numpy", "pandas", "PIL", "polars", "rich", "safetensors", "scipy",
    "sacrebleu", "sklearn", "sqlalchemy", "torch", "torchvision", "urllib3",
}  # fmt: skip
MAKERS = (
    "boards", "kaggle", "labels", "metric_run", "own", "pen", "pictures", "rankings", "regressions", "samples",
    "solution", "speech", "split_columns", "texts", "tryout",
    "hw01_regression/official", "hw01_regression/world", "hw02_classification/official", "hw02_classification/world",
    "hw03_cnn/dishes", "hw03_cnn/official", "hw03_cnn/own", "hw03_cnn/world", "hw04_self_attention/files",
    "hw04_self_attention/official", "hw04_self_attention/world", "hw05_transformer/official", "hw05_transformer/world",
    "hw06_gan/official", "hw07_bert/official", "hw07_bert/world", "hw08_anomaly/faces", "hw08_anomaly/official",
    "hw08_anomaly/own", "hw08_anomaly/world", "hw09_explainable/scenes", "hw09_explainable/world",
    "hw11_adaptation/official", "hw11_adaptation/world", "hw13_compression/official", "hw14_lifelong/digits",
    "hw14_lifelong/official", "hw14_lifelong/world", "hw15_meta/alphabets", "hw15_meta/official", "hw15_meta/world",
    "figures", "things",
)  # fmt: skip
JUDGES = (
    "hw09_explainable/judge",
    "hw06_gan/clutter", "hw06_gan/generator", "hw06_gan/inception", "hw06_gan/judge", "hw06_gan/networks",
    "hw06_gan/world",
    "hw10_attack/judge", "hw10_attack/pack", "hw12_reinforcement/judge", "hw12_reinforcement/policy",
    "hw12_reinforcement/world", "hw13_compression/judge", "hw14_lifelong/judge",
)  # fmt: skip
LIGHT_ENOUGH = (
    {
        # Files that do nothing without these, and are imported inside functions, or by each other.
        "baselines": {"torch", "numpy"},
        "leaderboard/schema.py": {"sqlalchemy"},
        "leaderboard/migrations": {"sqlalchemy", "alembic"},
        "tasks/leaks": {"numpy"},
        "tasks/hw09_explainable/network.py": {"torch"},  # the file that students get
        "tasks/hw10_attack/networks.py": {"torch"},
        "tasks/hw13_compression/networks.py": {"torch"},
        "tasks/hw13_compression/world.py": {"numpy", "PIL", "torch"},
    }
    | {f"tasks/hw10_attack/{name}.py": {"numpy", "PIL", "torch"} for name in ("official", "victims", "world")}
    | {f"tasks/{name}.py": {"numpy", "PIL"} for name in MAKERS}
    | {f"tasks/{name}.py": {"numpy"} for name in JUDGES}
)
LATER = {
    # The file loads numpy, Pillow, torch or gymnasium at its top, which most callers do without.
    "baselines/students.py": {"tasks.hw13_compression.official", "tasks.hw13_compression.world"},
    "harness/answerable.py": {"tasks.samples", "tasks.solution"},
    "harness/build.py": {"tasks.kaggle", "tasks.leaks", "tasks.own", "tasks.samples", "tasks.texts", "tasks.tryout"},
    "harness/cli/causes.py": {"tasks.hw09_explainable.judge"},
    "harness/cli/main.py": {"tasks.homeworks"},  # `--help` passes here
    "harness/cli/training.py": {"baselines.common"},
    "harness/folders.py": {"tasks.solution"},
    "harness/grading/recount.py": {"tasks.texts"},
    "harness/grading/scoring.py": {"tasks.kaggle"},
    "harness/plans.py": {"tasks.kaggle", "tasks.own", "tasks.samples", "tasks.solution", "tasks.split_columns"},
    "harness/show.py": {"tasks.hw12_reinforcement.judge", "tasks.speech"},
    "harness/sweep.py": {"baselines.common", "harness.grading.cluster"},
    "tasks/hw09_explainable/world.py": {"tasks.hw09_explainable.network"},
    "tasks/hw12_reinforcement/judge.py": {"tasks.hw12_reinforcement.environment"},
    "tasks/quiz.py": {"tasks.solution"},
    "tasks/runs.py": {"tasks.boards"},
    # It needs an extra that may not be installed: Ray, or the server's packages.
    "harness/cli/cluster.py": {"harness.grading.cluster"},
    "harness/cli/serve.py": {"harness.server.pages"},
    "harness/server/run.py": {"harness.server.pages"},
    # `check` and a client pass here, and need no database, nor what a metric file needs.
    "harness/answers.py": {"leaderboard.receipts", "tasks.kaggle", "tasks.metric_code", "tasks.own"},
    "harness/clocks.py": {
        f"leaderboard.{name}" for name in ("acceptance", "adjustments", "attachments", "competitions", "records")
    },
    "harness/competition.py": {"leaderboard.competitions"},
    "harness/course/access.py": {"leaderboard.records", "leaderboard.roster", "leaderboard.verifications"},
    "harness/home.py": {"leaderboard.competitions", "leaderboard.database", "leaderboard.roster"},
    "harness/versions.py": {"leaderboard.competitions", "leaderboard.database", "leaderboard.results"},
    # One of several is needed, and which one is known only when it is asked for: a home or a server, the file that
    # answers a question, the reader of a format, what staff do with a command that students have too.
    "harness/cli/common.py": {
        "harness.course.access",
        "harness.course.local",
        "harness.course.local_desk",
        "harness.course.login",
        "harness.course.remote_desk",
        "harness.home",
        "tasks.homeworks",
    },
    "harness/cli/points.py": {"harness.cli.entered", "harness.cli.gradebook"},
    "harness/course/local.py": {
        f"harness.course.{name}"
        for name in ("attachments", "boards", "catalogue", "handing_in", "limits", "points", "record")
    },
    "harness/course/remote.py": {"submissions.attachments", "submissions.reader"},
    "submissions/reader.py": {
        f"submissions.{name}" for name in ("arrays", "episodes", "images", "lines", "models", "quiz", "table")
    },
}
"""The modules of ours that functions import, by file; all others are imported at the top."""
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}

EVERY = sorted(path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
STARTERS = [name for name in EVERY if name.endswith("/starter.py") and name.startswith("tasks/")]
"""The sample code of students: scripts that nothing imports, with rules of their own in tests/test_starters.py."""
FILES = [name for name in EVERY if name not in STARTERS]


def tree_of(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"), filename=name)


def imported(node: ast.AST) -> list[str]:
    """The full names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are written in full"
        return [node.module or ""]
    if isinstance(node, ast.Call) and dotted(node.func) in ("importlib.import_module", "__import__"):
        return [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return []


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def run_on_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: not inside functions, not under TYPE_CHECKING."""
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(statement, ast.If) and dotted(statement.test).endswith("TYPE_CHECKING"):
            yield from run_on_import(statement.orelse)
            continue
        yield statement
        inner = [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)]
        yield from run_on_import(inner)
        for handler in ast.iter_child_nodes(statement):
            if isinstance(handler, ast.ExceptHandler):
                yield from run_on_import(handler.body)


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node


def at(name: str, node: ast.AST) -> str:
    return f"{name}:{getattr(node, 'lineno', 0)}"


def every(names: Sequence[str]) -> Callable[[Callable[[str], None]], Callable[..., None]]:
    """Makes a rule of one file a test of many, and of one where it is named."""

    def test_of(rule: Callable[[str], None]) -> Callable[..., None]:
        def test(name: str | None = None) -> None:
            for one in names if name is None else [name]:
                rule(one)

        return test

    return test_of


def test_all_packages_are_looked_at() -> None:
    assert {name.partition("/")[0] for name in FILES} == set(PACKAGES)
    assert len(FILES) > 10


@every(FILES)
def test_imports_go_down_only(name: str) -> None:
    package = name.partition("/")[0]
    for node in ast.walk(tree_of(name)):
        for module in imported(node):
            top = module.split(".")[0]
            assert top not in PACKAGES or ALLOWED[package] & {top, module}, f"{at(name, node)} imports {module}"
            assert top != "tests", f"{at(name, node)} imports {module}"


@every([name for name in FILES if name.startswith("harness/")])
def test_rooms_of_the_harness_import_those_below(name: str) -> None:
    may = ABOVE.get(name, ROOMS.get(name.split("/")[1], set()))
    for node in ast.walk(tree_of(name)):
        taken = node.names if isinstance(node, ast.ImportFrom) and node.module == "harness" else []
        inside = [f"harness.{one.name}" for one in taken]
        for module in (*imported(node), *inside):
            first, _, rest = module.partition(".")
            room = rest.partition(".")[0]
            assert first != "harness" or room not in ROOMS or room in may, f"{at(name, node)} imports {module}"


@every(FILES)
def test_one_file_imports_ray(name: str) -> None:
    if name != "harness/grading/cluster.py":
        for node in ast.walk(tree_of(name)):
            assert "ray" not in {module.partition(".")[0] for module in imported(node)}, at(name, node)


def all_of_the_project() -> Iterator[tuple[str, str]]:
    """The name and the text of every file, tests too."""
    for package in (*PACKAGES, "tests"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def test_no_file_is_long() -> None:
    assert [name for name, text in all_of_the_project() if text.count("\n") > LONGEST] == ["tasks/bilingual/lexicon.py"]


def is_data(node: ast.expr) -> bool:
    """Whether an expression is a table: names, constants, displays, and calls of such."""
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return all(map(is_data, node.elts))
    if isinstance(node, ast.Dict):
        return all(map(is_data, [*filter(None, node.keys), *node.values]))
    if isinstance(node, ast.BinOp):
        return is_data(node.left) and is_data(node.right)
    if isinstance(node, ast.Call):
        return all(map(is_data, [*node.args, *(one.value for one in node.keywords)]))
    if isinstance(node, (ast.UnaryOp, ast.Starred)):
        return is_data(node.operand if isinstance(node, ast.UnaryOp) else node.value)
    return isinstance(node, (ast.Constant, ast.Name, ast.Attribute, ast.JoinedStr, ast.Lambda, ast.Subscript))


def skipping(text: str) -> list[int]:
    """The lines that keep the formatter off something else than the table of an assignment."""
    ends = {
        node.end_lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and node.value and is_data(node.value)
        if node.end_lineno is not None and node.end_lineno >= node.lineno + 2
    }
    comments = [
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT and "fmt:" in token.string
    ]
    return [line for line in comments if line not in ends]


def test_only_tables_are_kept_from_the_formatter() -> None:
    assert {name: lines for name, text in all_of_the_project() if (lines := skipping(text))} == {}
    assert skipping("a = (\n    1,\n    2)  # fmt: skip\n") == []
    assert skipping("def f(a,\n      b,\n      c): ...  # fmt: skip\nf(1,\n  2,\n  3)  # fmt: skip\n") == [3, 6]
    assert skipping("x = [one for one in (\n    1,\n    2)]  # fmt: skip\n") == [3]


def allowed(name: str) -> set[str]:
    """What a file may load when it is imported."""
    return {top for part, tops in LIGHT_ENOUGH.items() if name == part or name.startswith(part + "/") for top in tops}


@every(FILES)
def test_importing_a_module_loads_nothing_heavy(name: str) -> None:
    for node in run_on_import(tree_of(name).body):
        inside = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        for module in imported(node):
            loaded = {module.split(".")[0]} & HEAVY
            for one in (module, *(f"{module}.{part}" for part in inside)):
                loaded |= allowed(f"{one.replace('.', '/')}.py")
            assert loaded <= allowed(name), f"{at(name, node)} imports {module} when it is loaded"


def later(name: str) -> set[str]:
    """The modules of ours that the functions of a file import."""
    found = set()
    for function in ast.walk(tree_of(name)):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                modules = imported(node)
                if isinstance(node, ast.ImportFrom):
                    inside = [f"{node.module}.{alias.name}" for alias in node.names]
                    ours = {one for one in inside if is_module(one)}
                    modules = [*ours, *(modules if len(ours) < len(inside) else [])]
                found |= {module for module in modules if module.split(".")[0] in PACKAGES}
    return found


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


@every(FILES)
def test_our_own_packages_are_imported_at_the_top_of_a_file(name: str) -> None:
    assert later(name) == LATER.get(name, set()), f"{name}: import at the top, or give the reason in LATER"


def test_no_file_is_gone_that_imports_later() -> None:
    assert LATER.keys() <= set(FILES)


@every(EVERY)
def test_nothing_unpickles_runs_yaml_or_unpacks_an_archive_by_its_own_paths(name: str) -> None:
    for node in ast.walk(tree_of(name)):
        for module in imported(node):
            assert module.split(".")[0] not in FORBIDDEN_MODULES, f"{at(name, node)} imports {module}"
    for called, call in calls(name):
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        pickled = keywords.get("allow_pickle")
        assert pickled is None or (isinstance(pickled, ast.Constant) and pickled.value is False), at(name, call)
        # With weights_only=True torch reads tensors from a file without running what a pickle may call.
        only = keywords.get("weights_only")
        only_weights = isinstance(only, ast.Constant) and only.value is True
        assert called != "torch.save" or name in STARTERS, f"{at(name, call)} calls {called}"
        assert called != "torch.load" or only_weights, f"{at(name, call)} calls {called} without weights_only=True"
        assert called not in ("yaml.load", "yaml.unsafe_load", "yaml.full_load"), f"{at(name, call)} calls {called}"
        assert called.split(".")[-1] not in ("extractall", "extract", "unpack_archive", "read_pickle", "to_pickle"), (
            f"{at(name, call)} calls {called}"
        )
        assert called not in ("eval", "os.system", "os.popen"), f"{at(name, call)} calls {called}"
        shell = keywords.get("shell")
        assert shell is None or (isinstance(shell, ast.Constant) and shell.value is False), at(name, call)
        if called == "np.load":
            assert pickled is not None, f"{at(name, call)}: write allow_pickle=False out"


@every(FILES)
def test_nothing_imports_a_starter(name: str) -> None:
    for node in ast.walk(tree_of(name)):
        inside = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        for module in imported(node):
            names = [module, *(f"{module}.{one}" for one in inside)]
            assert not [one for one in names if one.startswith("tasks.") and one.endswith(".starter")], at(name, node)


def test_only_the_metric_file_of_an_instructor_is_run_as_code() -> None:
    assert [name for name in EVERY for called, _ in calls(name) if called == "exec"] == ["tasks/metric_run.py"]


@every([name for name in FILES if not name.startswith("harness/")])
def test_the_library_neither_prints_nor_exits(name: str) -> None:
    tree = tree_of(name)
    mains = [
        node
        for node in tree.body
        if name.startswith("baselines/")
        and (
            (isinstance(node, ast.FunctionDef) and node.name == "main")
            or (isinstance(node, ast.If) and "__name__" in ast.dump(node.test))
        )
    ]
    may_print = {inner for node in mains for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node not in may_print:
            called = dotted(node.func)
            if (name, called) == ("tasks/apart.py", "os._exit"):
                continue  # the end of a forked child
            assert called not in ("print", "sys.exit", "exit", "quit", "os._exit"), f"{at(name, node)} calls {called}"
            assert called not in ("sys.stdout.write", "sys.stderr.write"), f"{at(name, node)} calls {called}"
        if isinstance(node, ast.Raise) and node not in may_print and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            assert dotted(raised) != "SystemExit", f"{at(name, node)} raises SystemExit"


@every([name for name in FILES if not name.startswith("harness/")])
def test_the_library_reads_neither_the_clock_nor_the_environment(name: str) -> None:
    # How long something took (time.perf_counter, time.monotonic) is no time of day, and allowed.
    for called, node in calls(name):
        short = ".".join(called.split(".")[-2:])
        assert short not in CLOCKS, f"{at(name, node)} calls {called}"
        assert short not in ("os.getenv", "environ.get"), f"{at(name, node)} calls {called}"
    for inner in ast.walk(tree_of(name)):
        assert not isinstance(inner, ast.Attribute) or dotted(inner) != "os.environ", f"{at(name, inner)} reads it"
        if isinstance(inner, ast.ImportFrom):
            taken = {f"{inner.module}.{alias.name}" for alias in inner.names}
            assert not taken & {"time.time", "time.time_ns", "os.environ", "os.getenv"}, at(name, inner)


@every(EVERY)
def test_no_file_holds_a_path_of_the_machine_it_was_written_on(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not [word for word in ("/Users/", "/root/", "/home/", "C:\\Users") if word in text], name


PLANTED = {
    "import harness.cli.main\n": "imports_go_down",
    "from leaderboard import store\n": "imports_go_down",
    "def f() -> None:\n    import submissions\n": "imports_go_down",
    "def f() -> None:\n    from tasks import errors\n": "imported_at_the_top",
    "def f() -> None:\n    def g() -> None:\n        import tasks.errors\n": "imported_at_the_top",
    "import tasks.hw01_regression.starter\n": "imports_a_starter",
    "from tasks.hw01_regression import starter\n": "imports_a_starter",
    "import numpy\n": "loads_nothing_heavy",
    "try:\n    import torch\nexcept ImportError:\n    pass\n": "loads_nothing_heavy",
    "class A:\n    import pandas\n": "loads_nothing_heavy",
    "def f() -> None:\n    import pickle\n": "nothing_unpickles",
    "np.load('x', allow_pickle=True)\n": "nothing_unpickles",
    "torch.load('x')\n": "nothing_unpickles",
    "torch.load('x', weights_only=False)\n": "nothing_unpickles",
    "torch.load('x', weights_only=flag)\n": "nothing_unpickles",
    "torch.save(x, 'x')\n": "nothing_unpickles",
    "archive.extractall('x')\n": "nothing_unpickles",
    "def f() -> None:\n    import ray.util\n": "one_file_imports_ray",
    "def f() -> None:\n    print(1)\n": "neither_prints",
    "import sys\nsys.exit(1)\n": "neither_prints",
    "raise SystemExit(2)\n": "neither_prints",
    "import datetime\ndatetime.datetime.now()\n": "clock_nor",
    "import os\nx = os.environ['A']\n": "clock_nor",
    "from time import time\n": "clock_nor",
    "x = '/home/a'\n": "path_of_the_machine",
}


def test_the_leaderboard_knows_only_the_errors_of_the_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaderboard").mkdir()
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    for source, fine in (("tasks.errors", True), ("tasks.base", False), ("tasks", False)):
        (tmp_path / "leaderboard" / "planted.py").write_text(f"from {source} import errors\n")
        with contextlib.nullcontext() if fine else pytest.raises(AssertionError):
            test_imports_go_down_only("leaderboard/planted.py")


@pytest.mark.parametrize(
    ("name", "source", "fine"),
    [
        ("harness/server/planted.py", "from harness.course import boards\n", True),
        ("harness/server/planted.py", "from harness.cli import common\n", False),
        ("harness/server/planted.py", "def f() -> None:\n    from harness.cli.output import say\n", False),
        ("harness/grading/planted.py", "from harness import course\n", False),
        ("harness/planted.py", "import harness.grading.worker\n", False),
        ("harness/planted.py", "from harness import words\n", True),
    ],
)
def test_the_rule_of_rooms_catches_what_breaks_it(
    name: str, source: str, fine: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(source)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    with contextlib.nullcontext() if fine else pytest.raises(AssertionError):
        test_rooms_of_the_harness_import_those_below(name)


@pytest.mark.parametrize("source", PLANTED)
def test_each_rule_catches_what_breaks_it(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "tasks/planted.py"
    (tmp_path / "tasks").mkdir()
    (tmp_path / name).write_text(source)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    rules = [rule for word, rule in globals().items() if word.startswith("test_") and PLANTED[source] in word]
    assert len(rules) == 1
    with pytest.raises(AssertionError):
        rules[0](name)
