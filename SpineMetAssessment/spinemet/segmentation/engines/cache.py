"""Results of engines kept by the content of the image, and how long engines took here.

The files' names are digests, and hold nothing of the patient but the outlines; the folder lies in SpineMet's cache
and may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinemet.errors import OutputError
from spinemet.files import written_file
from spinemet.image import Image
from spinemet.samples import cache_folder
from spinemet.segmentation.engines.engine import Engine

MOST_BYTES = 500_000_000
"""What is kept; the longest unused goes first."""
_TIMES = "times.json"
_TIMES_KEPT = 5


def engine_cache() -> Path:
    """Where results are kept."""
    return cache_folder() / "engines"


def digest_of(engine: Engine, image: Image) -> str:
    """What a result depends on: the voxels, their place, the engine's version and options."""
    text = f"{engine.identity}|{image.fingerprint}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def recalled(folder: Path, digest: str, shape: tuple[int, ...]) -> NDArray[np.int32] | None:
    """Labels that were kept, None when there are none; a damaged file counts as none."""
    path = folder / f"{digest}.npz"
    try:
        with np.load(path, allow_pickle=False) as kept:
            array = np.asarray(kept["labels"], dtype=np.int32)
        path.touch()
    except (OSError, KeyError, ValueError, EOFError):
        return None
    except Exception as error:
        # zipfile's and zlib's own errors of a damaged file.
        if type(error).__module__.split(".")[0] not in ("zipfile", "zlib"):
            raise
        return None
    return array if array.shape == shape else None


def keep(folder: Path, digest: str, labels: NDArray[np.int32]) -> None:
    """Keep labels; where that is not possible nothing is kept."""
    small = labels.astype(np.uint8 if labels.max(initial=0) < 256 else np.uint16)
    with contextlib.suppress(OutputError, OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with written_file(folder / f"{digest}.npz") as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, labels=small)
        _drop_unused(folder)


def seconds_here(folder: Path, engine: Engine) -> float | None:
    """Seconds for a million voxels that an engine took here, the middle of its last runs; None before the first."""
    kept = _times(folder).get(engine.key)
    return float(np.median(kept)) if kept else None


def keep_seconds(folder: Path, engine: Engine, seconds_per_million: float) -> None:
    """Remember how long a run took."""
    times = _times(folder)
    times[engine.key] = [*times.get(engine.key, []), round(seconds_per_million, 3)][-_TIMES_KEPT:]
    with contextlib.suppress(OutputError, OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with written_file(folder / _TIMES) as temporary:
            temporary.write_text(json.dumps(times), encoding="utf-8")


def _times(folder: Path) -> dict[str, list[float]]:
    try:
        plain = json.loads((folder / _TIMES).read_text(encoding="utf-8"))
        return {str(key): [float(value) for value in values] for key, values in plain.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _drop_unused(folder: Path) -> None:
    files = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for path in files:
        total += path.stat().st_size
        if total > MOST_BYTES and path != files[0]:
            path.unlink(missing_ok=True)
