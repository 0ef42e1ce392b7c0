"""The database under a project: SQLite in its folder, or PostgreSQL by a URL.

Every change is one short transaction, written through to the disk before it counts: a process that is
killed loses what it had not yet handed over, nothing else.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from masklet.annotate.schema import HEAD
from masklet.errors import ConfigError, ProjectError

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds to wait for a database that is locked or has gone away, before giving up."""
_READ = "masklet_read"
_LASTING = {
    r"FATAL: +(database|role) .* does not exist": "; make it first (createdb NAME, createuser USER)",
    "authentication failed": "; check the user, and the password in ~/.pgpass",
    "no password supplied": "; put the password into ~/.pgpass",
    "no pg_hba.conf entry": "; let this machine in there",
}
"""What a server says that waiting does not change (patterns), and what helps."""


class Database:
    """An open database; `read` and `write` run a function in one transaction each.

    url        of SQLAlchemy: sqlite:///path, postgresql://user@host/name
    patience   seconds to keep trying when the database is locked or away
    raises     ConfigError for another kind of URL; ProjectError when it cannot be opened
    """

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._engine = _engine(url, patience)
        self._reading = self._engine.execution_options(**{_READ: True})
        self.shown_url = self._engine.url.set(drivername=self._engine.dialect.name).render_as_string()

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    def read(self, function: Callable[[Connection], T]) -> T:
        """What a function finds, in a transaction that changes nothing."""
        return self._patiently(self._reading, function)

    def write(self, function: Callable[[Connection], T]) -> T:
        """Run a function's changes as one: all of them are on the disk when this returns, or none.

        The function may be run again when the database was away, so it must not change anything else.
        raises   ProjectError when the database stays away or takes no more; IntegrityError for the caller
        """
        return self._patiently(self._engine, function)

    def migrate(self) -> None:
        """Bring the tables up to date; a database of a newer masklet is refused."""
        found = self.read(_revision)
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            raise ProjectError(
                f"{self.shown_url} is of a newer masklet (tables {found}, here {HEAD}); update masklet"
            )
        from alembic import command

        def upgrade(connection: Connection) -> None:
            if _revision(connection) != HEAD:  # somebody else may have been faster
                command.upgrade(_alembic(connection), "head")

        self.write(upgrade)

    def close(self) -> None:
        self._engine.dispose()

    def _patiently(self, engine: Engine, function: Callable[[Connection], T]) -> T:
        end = time.monotonic() + self.patience
        pause = 0.05
        while True:
            try:
                with engine.begin() as connection:
                    return function(connection)
            except IntegrityError:
                raise
            except DBAPIError as error:
                if not _may_pass(error) or time.monotonic() + pause > end:
                    raise ProjectError(self._complaint(error)) from error
                log.info("the database is away, trying again: %s", error.orig)
            except SQLAlchemyError as error:
                raise ProjectError(f"database {self.shown_url}: {error}") from error
            time.sleep(pause)
            pause = min(2 * pause, 2.0)

    def _complaint(self, error: DBAPIError) -> str:
        reason = " ".join(str(error.orig).split())
        if "disk is full" in reason or "No space left" in reason:
            return f"no space left for {self.shown_url}; nothing was changed, free some and go on"
        if "unable to open" in reason:
            return f"cannot open {self.shown_url}; check that the folder is there and may be written to"
        remedy = next((text for mark, text in _LASTING.items() if re.search(mark, reason)), "")
        return f"database {self.shown_url}: {reason}{remedy}"


def _engine(url: str, patience: float) -> Engine:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError(
            f"database {url!r} is no URL; give postgresql://user@host/name, or leave it out"
        ) from error
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        engine = sa.create_engine(parsed, connect_args={"timeout": min(patience, 5.0)})
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    if kind not in ("postgresql", "postgres"):
        raise ConfigError(
            f"database {kind} is not supported; give postgresql://user@host/name, or leave it out"
        )
    try:
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            connect_args={"client_encoding": "utf8"},
        )
    except ImportError as error:
        from masklet.errors import MissingExtraError

        raise MissingExtraError("PostgreSQL needs psycopg: pip install 'psycopg[binary]'") from error


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver must not begin transactions by itself: a reader that turns writer may then fail at once.
    connection.isolation_level = None
    # With the log beside the file readers never wait; FULL puts every commit on the disk.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get(_READ)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _may_pass(error: DBAPIError) -> bool:
    """Whether trying again may help: a lock, a deadlock, a lost or refused connection."""
    reason = str(error.orig)
    if any(re.search(mark, reason) for mark in _LASTING):
        return False
    if error.connection_invalidated or "database is locked" in reason:
        return True
    codes = ("40001", "40P01", "57P01", "57P03")  # serialisation, deadlock, shutting down, starting up
    if getattr(error.orig, "sqlstate", None) in codes:
        return True
    return isinstance(error, sa.exc.OperationalError) and "connect" in reason.lower()


def _revision(connection: Connection) -> str | None:
    """The migration the tables are at; None when there are none yet."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _alembic(connection: Connection) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
