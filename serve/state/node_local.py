"""Check that all replicas that accept or paint jobs have the same database and the same pictures.

A local file cannot hold the jobs of several nodes: each node would have its own file under the same name. So
each folder is marked with a random id when the application is built, and every replica must find that mark.
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
    """The marks of one node: its machine's id, and the mark of each folder, or None if it has none."""

    machine: str
    database: str | None
    pictures: str | None


def local_folders(jobs: JobConfig, state_dir: Path) -> dict[str, Path]:
    """Return the local folders of the database and the pictures, for each of the two that has one."""
    folders = {}
    url = make_url(jobs.database_url(state_dir))
    if url.get_backend_name() == "sqlite":
        folders["database"] = Path(str(url.database)).parent
    # An fsspec cache (simplecache::s3://…) names the real store last.
    scheme, separator, path = jobs.pictures_place(state_dir).rpartition("::")[2].rpartition("://")
    if not separator or scheme in ("file", "local"):
        folders["pictures"] = Path(path)
    return folders


def mark(jobs: JobConfig, state_dir: Path) -> Marks | None:
    """Mark this node's folders that are not marked yet; None if it needs no folder. Raises OSError."""
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
    """Return a sentence that names the differences from `home`, where the application was built, and the fix.

    Returns None if nothing differs. Without `home`, nothing is known to be the same. SQLite locks through
    memory that the processes of one machine share, so no folder that several machines mount can hold it.
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
        f"jobs would be lost between nodes, because not all nodes share {where}: set "
        + " and ".join(REMEDIES[name] for name in apart)
        + " (docs/cluster.md, Jobs of several nodes)"
    )


REMEDIES = {
    "database": "jobs.database, or SCENEWRIGHT_DATABASE, to the URL of a PostgreSQL database",
    "pictures": "jobs.pictures, or SCENEWRIGHT_PICTURES, to s3://BUCKET/FOLDER or a folder all nodes share",
}


def _mark_of(folder: Path) -> str | None:
    try:
        return (folder / MARK).read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


def _write(file: Path) -> None:
    """Write a new mark atomically. The first of two writers wins if the file system has hard links."""
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
    """Return an id that all containers of a machine share and no two machines do."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return os.uname().nodename
