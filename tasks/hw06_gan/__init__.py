"""HW6: generate anime faces with a GAN; scored by FID and by the share of images in which a face is found.

Both metrics must pass a bar. The course's server used faces, weights and a detector that were never published, so its
thresholds (FID 8,200 to 30,000) are shown as published and are on a different scale than the numbers here.
"""

from __future__ import annotations

from tasks.base import Bar, Edition, Judge, Place, Rules, Task
from tasks.formats import ImagesFormat
from tasks.frechet import FACE_RATE, FID
from tasks.tensor_formats import ModelFormat, Tensor

SUBMITTED = 1000
"""Images in a submission."""
MAX_BYTES = 2_000_000
FORMAT = ImagesFormat(SUBMITTED, 64, 64, MAX_BYTES)
NOISE = 100
"""Numbers that a generator makes an image from, drawn from a standard normal distribution."""
GENERATOR = ModelFormat(
    (Tensor("noise", (NOISE,)),),
    (Tensor("image", (3, 64, 64)),),
    4_000_000,
    17_000_000,
    (
        "Add", "BatchNormalization", "Clip", "Concat", "Constant", "Conv", "ConvTranspose", "DepthToSpace", "Elu",
        "Flatten", "Gemm", "GroupNormalization", "Identity", "InstanceNormalization", "LayerNormalization",
        "LeakyRelu", "MatMul", "Mul", "PRelu", "Relu", "Reshape", "Resize", "Sigmoid", "Slice", "Softmax", "Softplus",
        "Split", "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze",
    ),
)  # fmt: skip
"""What generators are built of, and not drawing programs: no comparison, minimum, root or sine."""
CRYPKO = (
    "the course's Crypko faces (crypko_data.zip), collected by Arvin Liu; licence not stated; a part of them is hidden."
    " FID by Inception-v3 where its published weights are given, else by features learnt from drawn faces; the course's"
    " own method was never published, so its thresholds cannot be compared with these numbers"
)


def _official(year: str, *lines: tuple[str, float, float, float]) -> tuple[Bar, ...]:
    """Bars of (name, FID, face rate, points); one board, no private one."""
    source = f"official {year}, not comparable: the scale of the FID on the course's own server was never published"
    return tuple(
        Bar(name, ((FID.name, distance), (FACE_RATE.name, share)), source, points=(points, 0.0), comparable=False)
        for name, distance, share, points in lines
    )


def _measured(edition: str, *levels: tuple[str, float, float, float, float]) -> tuple[Bar, ...]:
    """Bars at both means of a level (name, FID ± spread, face rate ± spread), the face rate less one deviation."""
    command = "python tests/bench/ladder.py hw6" + ("" if edition == "builtin" else f" --edition {edition}")
    return tuple(
        Bar(
            name,
            ((FID.name, mean), (FACE_RATE.name, max(0.0, round(rate - rates, 4)))),
            f"measured: level {name}, seeds 300-302 (world, split and training) of edition {edition}, public FID mean "
            f"{mean:.4f} ± {spread:.4f} (standard deviation), face rate {rate:.4f} ± {rates:.4f}, for which the bar is "
            f"the mean minus one deviation, {command} --seeds 300-302 --no-tricks",
            size="small",
        )
        for name, mean, spread, rate, rates in levels
    )


_CHECK, _RUN = Place("tasks.hw06_gan.judge:check"), Place("tasks.hw06_gan.judge:run")
_BY_NETWORKS = Judge(Place("tasks.hw06_gan.judge:version", ("torch", "pillow")), _CHECK, _RUN)
_BY_CASCADE = Judge(Place("tasks.hw06_gan.judge:version", ("torch", "pillow", "opencv")), _CHECK, _RUN)

TASK = Task(
    "hw06",
    "GAN: anime faces",
    (
        Edition(
            "builtin",
            "a seeded world of drawn faces (tasks/hw06_gan/world.py); no artist's work, MIT",
            FORMAT,
            (FID, FACE_RATE),
            _measured(
                "builtin",
                ("simple", 58.8816, 0.9454, 0.0170, 0.0294), ("medium", 47.7979, 1.2856, 0.3647, 0.3289),
                ("strong", 15.7454, 1.0589, 0.9313, 0.0463), ("boss", 10.2008, 0.9123, 0.9667, 0.0051),
            ),
            Rules(),
            Place("tasks.hw06_gan.judge:make"),
            judge=_BY_NETWORKS,
        ),
        Edition(
            "builtin-model",
            "a seeded world of drawn faces (tasks/hw06_gan/world.py); the judge draws the noise of the generators",
            GENERATOR,
            (FID, FACE_RATE),
            _measured(
                "builtin-model",
                ("simple", 77.7440, 19.6008, 0.0263, 0.0225), ("medium", 68.4113, 5.4215, 0.2997, 0.0533),
                ("strong", 15.1364, 2.3930, 0.9197, 0.0456), ("boss", 8.6990, 0.4236, 0.9770, 0.0101),
            ),
            Rules(quota=2),  # files are large
            Place("tasks.hw06_gan.generator:make"),
            judge=Judge(
                Place("tasks.hw06_gan.generator:version"),
                Place("tasks.hw06_gan.generator:check"),
                Place("tasks.hw06_gan.generator:run"),
            ),
        ),
        Edition(
            "2021",
            CRYPKO,
            FORMAT,
            (FID, FACE_RATE),
            _official(
                "2021",
                ("simple", 30000, 0.0, 2), ("medium", 11800, 0.43, 2), ("strong", 9300, 0.53, 1),
                ("boss", 8200, 0.68, 1),
            ),
            Rules(quota_zone="Asia/Taipei"),
            Place("tasks.hw06_gan.official:make"),
            official=True,
            judge=_BY_CASCADE,
        ),
        Edition(
            "2022",
            CRYPKO,
            FORMAT,
            (FID, FACE_RATE),
            _official(
                "2022",
                ("simple", 30000, 0.0, 1), ("medium", 12000, 0.4, 1), ("strong", 10000, 0.5, 1), ("boss", 9000, 0.6, 1),
            ),
            Rules(quota_zone="Asia/Taipei", selections=1, unselected="first"),
            Place("tasks.hw06_gan.official:make"),
            official=True,
            judge=_BY_CASCADE,
        ),
    ),
)  # fmt: skip
