"""Check that the drivers for the URLs of the database and the picture store are installed."""

from __future__ import annotations

from fsspec import get_filesystem_class
from sqlalchemy import make_url
from sqlalchemy.exc import NoSuchModuleError

from ..config.job_config import JobConfig


def refuse_missing_drivers(jobs: JobConfig) -> None:
    """Raise ValueError with a sentence that names the setting and what to install."""
    if jobs.database is not None:
        try:
            make_url(jobs.database).get_dialect().import_dbapi()
        except NoSuchModuleError:
            raise ValueError("jobs.database names a driver that SQLAlchemy does not know") from None
        except ImportError as error:
            raise ValueError(
                f"jobs.database needs {error.name}, which is not installed: "
                "pip install ./client '.[postgres]'"
            ) from None
    scheme, separator, _ = (jobs.pictures or "").partition("://")
    if separator:
        for part in scheme.split("::"):
            try:
                get_filesystem_class(part)
            except ImportError as error:
                raise ValueError(f"jobs.pictures: {error}; for S3: pip install ./client '.[s3]'") from None
            except ValueError:
                raise ValueError(f"jobs.pictures: {part}:// is not a protocol that fsspec knows") from None
