"""Check that all replicas that accept or paint jobs have the same database and the same pictures.

A file is no place for the jobs of several nodes: each would have one of its own under the same name. So a
folder is marked with a random id when the application is built, and every replica must find the same mark.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from ..config.job_config import JobConfig
from .private_files import FILE, make_folder

MARK = ".scenewright-folder"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The marks of one node: its machine's id, and the marks of its folders, None for those without one."""

    machine: str
    database: str | None
    pictures: str | None


def local_folders(jobs: JobConfig, state_dir: Path) -> dict[str, Path]:
    """Return the folders that hold the database and the pictures, for those of the two that lie in one."""
    folders = {}
    url = make_url(jobs.database_url(state_dir))
    if url.get_backend_name() == "sqlite":
        folders["database"] = Path(str(url.database)).parent
    # A cache of fsspec (simplecache::s3://…) names the real place last.
    scheme, separator, path = jobs.pictures_place(state_dir).rpartition("::")[2].rpartition("://")
    if not separator or scheme in ("file", "local"):
        folders["pictures"] = Path(path)
    return folders


def mark(jobs: JobConfig, state_dir: Path) -> Marks | None:
    """Mark the folders of this node, where they are not yet; None where none is needed. Raises OSError."""
    folders = local_folders(jobs, state_dir)
    for folder in folders.values():
        make_folder(folder)
        if _mark_of(folder) is None:
            _write(folder / MARK)
    return look(jobs, state_dir) if folders else None


def look(jobs: JobConfig, state_dir: Path) -> Marks:
    """Return the marks that this node sees."""
    found = {name: _mark_of(folder) for name, folder in local_folders(jobs, state_dir).items()}
    return Marks(machine=_machine(), database=found.get("database"), pictures=found.get("pictures"))


def fault(jobs: JobConfig, state_dir: Path, home: Marks | None, here: Marks) -> str | None:
    """Say in a sentence what is not the same `here` as where the application was built, and what to set.

    SQLite takes its turns through memory that is shared by the processes of one machine, so that even a
    folder that several machines mount is no place for it. Without `home` nothing is known to be the same.
    """
    folders = local_folders(jobs, state_dir)
    apart = []
    for name in folders:
        expected = None if home is None else getattr(home, name)
        same = expected is not None and getattr(here, name) == expected
        if not same or (name == "database" and (home is None or here.machine != home.machine)):
            apart.append(name)
    if not apart:
        return None
    where = " and ".join(f"jobs.{name} in {folders[name]}" for name in apart)
    return (
        f"jobs would be lost between nodes, since not every node has the same {where}: set "
        + " and ".join(REMEDIES[name] for name in apart)
        + " (docs/cluster.md, Jobs of several nodes)"
    )


REMEDIES = {
    "database": "jobs.database, or SCENEWRIGHT_DATABASE, to the URL of a PostgreSQL",
    "pictures": "jobs.pictures, or SCENEWRIGHT_PICTURES, to s3://BUCKET/FOLDER or a folder of every node",
}


def _mark_of(folder: Path) -> str | None:
    try:
        return (folder / MARK).read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


def _write(file: Path) -> None:
    """Write it whole or not at all; the first of two writers wins, where the file system has links."""
    beside = file.with_name(f"{MARK}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE)
    with os.fdopen(descriptor, "w", encoding="ascii") as new:
        new.write(secrets.token_hex(16) + "\n")
    try:
        os.link(beside, file)
    except OSError:
        if _mark_of(file.parent) is None:
            beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _machine() -> str:
    """Return what all containers of a machine share and no two machines do."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return os.uname().nodename
