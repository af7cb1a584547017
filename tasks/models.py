"""Running models that are handed in: ONNX graphs, by onnxruntime on one thread, in a process without answers.

The process is a new program, so it shares none of this one's memory. It loads onnxruntime, gives up files, network and
other processes (`tasks.apart.confine`), and only then gets the graph, which the reader has checked
(`submissions.models`). It first tries the graph on inputs that are the same for everybody; then it answers one batch
after the other. Its processor time and its address space are limited. Systems differ as they do for `tasks.apart`: on
Windows the process is neither limited nor confined.

The same graph and the same batches give the same bits on one machine: one thread, no optimisation of the graph.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from tasks.apart import FORKS, Limits, bind, confine, confinement
from tasks.base import Columns, Judged, Problem, SubmissionError, UserError
from tasks.formats import Format
from tasks.tensor_formats import ModelFormat, Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CODES = {
    "E_MODEL_RUN": "onnxruntime cannot run the graph. Run it yourself with onnxruntime, with batches of 1 and more.",
    "E_MODEL_RESULT": (
        "An output has another shape or type than asked for, or a number that is NaN or infinite. Run the model on a "
        "few inputs yourself, and look for divisions by 0 and overflows."
    ),
    "E_MODEL_TIME": "The graph takes too much processor time on one thread. Make the model smaller.",
    "E_MODEL_MEMORY": "The graph takes too much memory. Make the model smaller.",
    "E_MODEL_HIDDEN": (
        "A value inside the graph, of more than 64 numbers, is the same for different inputs, or smaller ones of more "
        "than 1,024 numbers together are: constants that are not counted. Store weights as constants."
    ),
    "E_MODEL_ROWS": (
        "The output of a row depends on the other rows of its batch. Reshape and normalise within a row only, and "
        "export in evaluation mode."
    ),
}
"""The error codes for a model that can be read but is refused when it runs. Codes are stable."""

START = "from tasks.models import serve; serve()"
LIMITS = Limits(seconds=60.0, memory=3 * 2**30)
"""Processor time for the whole work of a model, and its address space beside Python's and onnxruntime's."""
SPARE, WALL = 60.0, 5.0
"""By the clock the work may take so many seconds, and so many times its processor time, on a busy machine."""
MOST_LISTED, MOST_SAME = 64, 1024
"""The most numbers of a value that may be the same for different inputs, and of all such values together."""
ROWS = 4
MOST_HEADER = 2**16
ROW_TOLERANCE = 1e-3
"""How far a row may differ in another batch, relative to the largest output: batches change the last bits."""


def version() -> str:
    """What can change the outputs of a graph."""
    return f"onnxruntime {_runtime().__version__} {machine()}"


def machine() -> str:
    """The operating system and the kind of processor: "Linux x86_64"."""
    return f"{platform.system()} {platform.machine().lower().replace('amd64', 'x86_64')}"


def _wall(limits: Limits) -> float:
    return SPARE + WALL * limits.seconds


def _runtime() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise missing(str(error.name)) from None
    return onnxruntime


def missing(package: str) -> UserError:
    return UserError(f'models need {package}, which is not installed; install it with: pip install "lhy-grade[models]"')


Node = tuple[str, Sequence[str], str, Mapping[str, Any]]
"""A node of a graph: its operator, its inputs, its output and its attributes."""


def graph(form: ModelFormat, name: str, nodes: Sequence[Node], constants: Mapping[str, NDArray[Any]]) -> bytes:
    """An ONNX graph from the inputs of a format to its outputs."""
    try:
        from onnx import helper, numpy_helper
    except ModuleNotFoundError as error:
        raise missing(str(error.name)) from None
    given, wanted = (
        [helper.make_tensor_value_info(one.name, 1, ("n", *one.shape)) for one in ports]
        for ports in (form.inputs, form.outputs)
    )
    made = [helper.make_node(kind, inputs, [output], **attributes) for kind, inputs, output, attributes in nodes]
    kept = [numpy_helper.from_array(value, constant) for constant, value in constants.items()]
    whole = helper.make_graph(made, name, given, wanted, kept)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="")
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def dense(form: ModelFormat, layers: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> bytes:
    """A graph of linear layers with tanh between them, for weights (in, out) and biases (out,)."""
    nodes: list[Node] = []
    constants: dict[str, NDArray[Any]] = {}
    name = form.inputs[0].name
    for number, (weight, bias) in enumerate(layers):
        last = number == len(layers) - 1
        constants |= {f"w{number}": weight, f"b{number}": bias}
        linear = form.outputs[0].name if last else f"h{number}"
        nodes.append(("Gemm", [name, f"w{number}", f"b{number}"], linear, {}))
        if not last:
            name = f"t{number}"
            nodes.append(("Tanh", [linear], name, {}))
    return graph(form, "dense", nodes, constants)


@dataclass
class Model:
    """A running model; a context manager. `predictions` is what `submissions.models` has read.

    Entering it raises SubmissionError for a graph that does not run or fails the checks of `CODES`, and UserError if
    the process cannot do its work on this machine. Unless `strict`, a batch for which the graph fails, or gives other
    than finite numbers of the right shape, has NaN for outputs, and is not refused; the trial is always strict.
    """

    form: ModelFormat
    predictions: Columns
    limits: Limits = LIMITS
    strict: bool = True
    process: subprocess.Popen[bytes] | None = None
    clock: threading.Timer | None = None
    late: bool = False

    def __enter__(self) -> Model:
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        _runtime()
        command = [sys.executable, "-c", START]
        self.process = subprocess.Popen(
            command,
            env=environment if FORKS else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.clock = threading.Timer(_wall(self.limits), self._stop)
        self.clock.daemon = True
        self.clock.start()
        try:
            graphs = [self.predictions["model"], self.predictions["inspected"]]
            head = {"form": self.form.to_json(), "limits": asdict(self.limits), "parent": os.getpid()}
            head["strict"] = self.strict
            self._exchange(head, graphs, trial=True)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __call__(self, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """The outputs for a batch, each input (n, …) in the order of the format. Raises SubmissionError.

        Batches of one size give one row the same bits; another size may change the last ones.
        """
        import numpy as np

        given = [
            np.ascontiguousarray(values, dtype=one.dtype) for values, one in zip(inputs, self.form.inputs, strict=True)
        ]
        return self._exchange({}, given)

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        if self.clock is not None:
            self.clock.cancel()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        self.process = None

    def _stop(self) -> None:
        self.late = True
        process = self.process
        if process is not None:
            process.kill()

    def _exchange(
        self, head: dict[str, Any], given: Sequence[NDArray[Any]], *, trial: bool = False
    ) -> list[NDArray[Any]]:
        """Sends arrays and receives the outputs for the first one's rows, checked: none is trusted."""
        process = self.process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            _send(process.stdin, head, given)
            answer, arrays = _receive(process.stdout, () if trial else self.form.outputs, len(given[0]))
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            raise self._ended(process) from None
        if "code" in answer:
            raise self._refused(str(answer["code"]), answer, trial=trial)
        return arrays

    def _refused(self, code: str, answer: Mapping[str, Any], *, trial: bool) -> Exception:
        """The refusal. What onnxruntime says of a graph on hidden inputs is never shown: it may quote them."""
        if code not in CODES:
            return UserError("the process that runs the model sent an answer that cannot be read")
        words = answer.get("words")
        shown = "".join(c if c.isprintable() else " " for c in str(words)[:300]) if trial and words else ""
        message = f"{_MESSAGES[code].format(seconds=self.limits.seconds, memory=self.limits.memory / 2**30)}"
        return SubmissionError([Problem(code, message + (f" ({shown})" if shown else ""))])

    def _ended(self, process: subprocess.Popen[bytes]) -> Exception:
        """The error for a process that ended without an answer."""
        if self.late:
            return UserError(f"running the model took longer than {_wall(self.limits):g} s; try again later")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
        process.kill()  # it goes on, although what it sent is no answer
        status = process.wait()
        if status == -getattr(signal, "SIGXCPU", 0):
            return self._refused("E_MODEL_TIME", {}, trial=False)
        if FORKS and status in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGFPE, -signal.SIGILL, -signal.SIGBUS):
            return self._refused("E_MODEL_RUN", {}, trial=False)
        return UserError(f"the process that runs the model ended without an answer ({status}); try again later")


_MESSAGES = {
    "E_MODEL_RUN": "onnxruntime cannot run the graph; try it yourself with batches of 1, 2 and 5 rows.",
    "E_MODEL_RESULT": "an output does not have the shape and type that are asked for, or is not finite.",
    "E_MODEL_TIME": "the graph takes more than {seconds:g} s of processor time on one thread; make the model smaller.",
    "E_MODEL_MEMORY": "the graph takes more than {memory:.3g} GiB of memory; make the model smaller.",
    "E_MODEL_HIDDEN": (
        "a value inside the graph is the same for different inputs: it is a constant that is not counted; store it."
    ),
    "E_MODEL_ROWS": "the output of a row depends on the other rows of its batch; treat each row alone.",
}


def check(form: Format, predictions: Columns, folder: Path | None) -> Judged:
    """The predictions, once their model has run on inputs that are the same for everybody. Raises SubmissionError."""
    assert isinstance(form, ModelFormat)
    count = int(predictions["parameters"][0])
    with Model(form, predictions):
        return Judged(predictions, (f"{count:,} of at most {form.most_parameters:,} parameters",))


def _send(pipe: IO[bytes], head: Mapping[str, Any], arrays: Sequence[NDArray[Any]]) -> None:
    """Writes one message: a line of JSON, then the bytes of the arrays."""
    told = [[one.dtype.str, list(one.shape)] for one in arrays]
    pipe.write(json.dumps({**head, "arrays": told}).encode() + b"\n")
    for one in arrays:
        pipe.write(one.tobytes())
    pipe.flush()


def _receive(pipe: IO[bytes], wanted: Sequence[Tensor] | None, rows: int) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Reads one message; the arrays must be those `wanted` for so many rows, where that is said."""
    import numpy as np

    line = pipe.readline(MOST_HEADER)
    if not line.endswith(b"\n"):
        raise EOFError
    head = json.loads(line)
    if "code" in head:
        return head, []
    told = head["arrays"]
    if wanted is not None and told != [[np.dtype(one.dtype).str, [rows, *one.shape]] for one in wanted]:
        raise ValueError("other arrays")
    arrays = []
    for kind, shape in told:
        size = np.dtype(kind).itemsize * int(np.prod(shape, dtype=object))
        data = pipe.read(size)
        if len(data) != size:
            raise EOFError
        arrays.append(np.frombuffer(data, dtype=kind).reshape(shape))
    return head, arrays


# The process that runs the model


class _Refused(Exception):
    def __init__(self, code: str, words: str = "") -> None:
        super().__init__(code)
        self.code, self.words = code, words


def serve() -> None:
    """Loads everything, confines itself, then tries the graph that comes in and answers its batches."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    runtime = _runtime()
    _warm(runtime)
    head, graphs = _receive(incoming, None, 0)
    form, limits = ModelFormat.from_json(head["form"]), Limits(**head["limits"])
    if FORKS:
        import resource

        confinement()
        wall = Limits(_wall(limits), limits.memory)
        bind(wall, head["parent"])
        most = math.ceil(time.process_time() + limits.seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 1))  # the first ends it with SIGXCPU
        confine(reading=False)
    try:
        session = _try(runtime, form, *(one.tobytes() for one in graphs))
        _send(outgoing, {}, [])
        while True:
            _, inputs = _receive(incoming, None, 0)
            try:
                outputs = _run(session, form, inputs)
            except _Refused as refused:
                if head["strict"] or refused.code == "E_MODEL_MEMORY":
                    raise
                outputs = [_failed(port, len(inputs[0])) for port in form.outputs]
            _send(outgoing, {}, outputs)
    except EOFError:
        pass
    except _Refused as refused:
        _send(outgoing, {"code": refused.code, "words": refused.words}, [])
    except MemoryError:
        _send(outgoing, {"code": "E_MODEL_MEMORY"}, [])


SMALL = (
    b'\x08\x08\x12\x00:4\n\x0e\n\x01x\n\x01x\x12\x01y"\x03Add\x12\x01mZ\x14\n\x01x\x12\x0f\n\r\x08\x01\x12\t\n\x03'
    b"\x12\x01n\n\x02\x08\x01b\t\n\x01y\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x11"
)
"""The graph y = x + x for x (n, 1), with which everything is loaded."""


def _warm(runtime: Any) -> None:
    """Runs a graph, and fails to load and to run one, so that nothing has to be loaded any more."""
    import numpy as np

    session = _session(runtime, SMALL)
    session.run(None, {"x": np.zeros((1, 1), np.float32)})
    with contextlib.suppress(Exception):
        _session(runtime, b"broken")
    with contextlib.suppress(Exception):
        session.run(None, {"x": np.zeros((1, 1, 1))})
    np.random.default_rng(0).standard_normal(1)


def _session(runtime: Any, graph: bytes) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL  # another level, other bits
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _try(runtime: Any, form: ModelFormat, graph: bytes, inspected: bytes) -> Any:
    """A session of the graph, once it has passed the checks on inputs that are the same for everybody."""
    import numpy as np

    rng = np.random.default_rng(0)
    pairs = [[[_drawn(rng, port, kind) for port in form.inputs] for _ in range(2)] for kind in (False, True)]
    with _reported():
        session = _session(runtime, inspected)
        names = [port.name for port in session.get_outputs()]
    for pair in pairs:
        with _reported():
            values = [session.run(None, _named(form, inputs)) for inputs in pair]
        _refuse_hidden(names, *values)
        del values
    del session
    with _reported():
        session = _session(runtime, graph)
    for one, other in pairs:
        whole = _run(session, form, one)
        alone = _run(session, form, [part[:1] for part in one])
        mixed = _run(session, form, [np.concatenate([a[:2], b[2:]]) for a, b in zip(one, other, strict=True)])
        for port, mine, single, among in zip(form.outputs, whole, alone, mixed, strict=True):
            most = ROW_TOLERANCE * max(1.0, float(np.abs(mine.astype(np.float64)).max(initial=0.0)))
            for part, rows in ((single, 1), (among, 2)):
                if np.abs(part[:rows].astype(np.float64) - mine[:rows]).max(initial=0.0) > most:
                    raise _Refused("E_MODEL_ROWS", port.name)
    return session


def _refuse_hidden(names: Sequence[str], mine: Sequence[NDArray[Any]], others: Sequence[NDArray[Any]]) -> None:
    """Refuses computed values that are the same for two inputs: a large one, or many small ones."""
    import numpy as np

    same = 0
    for name, one, other in zip(names, mine, others, strict=True):
        if one.shape == other.shape and np.array_equal(one, other):
            same += one.size
            if one.size > MOST_LISTED or same > MOST_SAME:
                raise _Refused("E_MODEL_HIDDEN", name)


def _drawn(rng: np.random.Generator, port: Tensor, bounded: bool) -> NDArray[Any]:
    """An input of normal noise or, where `bounded`, of noise from 0 to 1 as in a picture; 0 and 1 for whole numbers."""
    shape = (ROWS, *port.shape)
    values = rng.random(shape) if bounded else rng.standard_normal(shape)
    return (values if port.dtype != "int64" else values > bounded / 2).astype(port.dtype)


def _named(form: ModelFormat, inputs: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {port.name: values for port, values in zip(form.inputs, inputs, strict=True)}


def _failed(port: Tensor, rows: int) -> NDArray[Any]:
    """What stands for the output of a batch for which the graph fails."""
    import numpy as np

    return np.full((rows, *port.shape), np.nan, port.dtype)


def _run(session: Any, form: ModelFormat, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The outputs of a batch, of the format's shapes and types and finite."""
    import numpy as np

    with _reported():
        outputs: list[NDArray[Any]] = session.run([port.name for port in form.outputs], _named(form, inputs))
    for port, values in zip(form.outputs, outputs, strict=True):
        if not isinstance(values, np.ndarray) or values.dtype != port.dtype:
            raise _Refused("E_MODEL_RESULT", f"{port.name}: {getattr(values, 'dtype', type(values).__name__)}")
        if values.shape != (len(inputs[0]), *port.shape):
            raise _Refused("E_MODEL_RESULT", f"{port.name}: shape {values.shape} for {len(inputs[0])} rows")
        if not np.isfinite(values).all():
            raise _Refused("E_MODEL_RESULT", f"{port.name}: not finite")
    return outputs


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """Turns what onnxruntime raises into a refusal."""
    try:
        yield
    except MemoryError:
        raise _Refused("E_MODEL_MEMORY") from None
    except Exception as error:
        words = str(error)
        short = any(part in words for part in ("allocate memory", "bad_alloc", "bad allocation"))
        raise _Refused(
            "E_MODEL_MEMORY" if short else "E_MODEL_RUN", words.partition("Status Message: ")[2] or words
        ) from None
