"""Projects on both databases, small videos, people, a clock that is moved by hand."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("sqlalchemy", reason="the annotate extra is not installed")
pytest.importorskip("alembic", reason="the annotate extra is not installed")

import sqlalchemy as sa

from fakes import FakeEngine, squares, truth
from masklet.annotate import masklets, schema
from masklet.annotate.database import Database
from masklet.annotate.masklets import Kept
from masklet.annotate.project import Project
from masklet.annotate.records import Entry
from masklet.predict.segmenter import Segmenter
from masklet.types import Mask

_spec = importlib.util.spec_from_file_location("annotate_postgres", Path(__file__).parent / "postgres.py")
assert _spec is not None
assert _spec.loader is not None
postgres = importlib.util.module_from_spec(_spec)
sys.modules["annotate_postgres"] = postgres
_spec.loader.exec_module(postgres)


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the tables and nothing in them, to be copied: migrating takes its time."""
    path = tmp_path_factory.mktemp("empty") / "project.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture(scope="session")
def pg_server() -> Iterator[Any]:
    """A PostgreSQL with a database `empty` that has the tables."""
    bin = postgres.programs()
    if bin is None:
        pytest.skip("no PostgreSQL here (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with postgres.server(bin) as server:
        run_sql(server, "CREATE DATABASE empty")
        database = Database(server.url("empty"))
        database.migrate()
        database.close()
        yield server


def run_sql(server: Any, text: str, database: str = "postgres") -> None:
    """One statement outside a transaction."""
    engine = sa.create_engine(
        sa.make_url(server.url(database)).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(text)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def project(
    request: pytest.FixtureRequest, tmp_path: Path, empty_sqlite: Path, clock: Clock
) -> Iterator[Project]:
    """A new project on either database, with people: ann, bob (annotators), rita, rolf (reviewers), boss."""
    folder = tmp_path / "project"
    url = None
    if request.param == "sqlite":
        folder.mkdir()
        shutil.copy(empty_sqlite, folder / "project.db")
    else:
        server = request.getfixturevalue("pg_server")
        url = server.url("empty")
        # Emptying the tables takes a moment, a database for each test takes seconds.
        names = ", ".join(table.name for table in schema.metadata.sorted_tables)
        run_sql(server, f"TRUNCATE {names} RESTART IDENTITY CASCADE", "empty")
    Project.create(folder, database=url, model="fake").close()
    with Project.open(folder, clock=clock) as found:
        for name in ("ann", "bob"):
            found.add_person(name)
        for name in ("rita", "rolf"):
            found.add_person(name, "reviewer")
        found.add_person("boss", "admin")
        yield found


@pytest.fixture
def small(tmp_path: Path, empty_sqlite: Path) -> Iterator[Project]:
    """A project on SQLite alone, for what does not depend on the database."""
    folder = tmp_path / "small"
    folder.mkdir()
    shutil.copy(empty_sqlite, folder / "project.db")
    Project.create(folder, model="fake").close()
    with Project.open(folder) as found:
        found.add_person("ann")
        found.add_person("rita", "reviewer")
        yield found


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of frames: moving squares."""

    def make(name: str = "walk", frames: int = 6, objects: int = 2, **more: Any) -> Path:
        folder = tmp_path / "videos" / name
        folder.mkdir(parents=True)
        for t, image in enumerate(squares(frames, objects, **more)):
            Image.fromarray(image).save(folder / f"{t:05d}.png")
        return folder

    return make


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter(FakeEngine())


def true_masks(frames: int, object_id: int, **more: Any) -> dict[int, Kept]:
    return {t: Kept(Mask.from_array(truth(t, object_id)), 0.9, 3.0, t == 0, **more) for t in range(frames)}


@pytest.fixture
def add_masklet() -> Callable[..., Entry]:
    """Put a masklet of a square into a project."""

    def add(
        project: Project, video: str = "walk", object_id: int = 1, frames: int = 6, **values: Any
    ) -> Entry:
        values = {"origin": "automatic", "status": "submitted", **values}
        return masklets.add(project, video, masks=true_masks(frames, object_id), **values)

    return add


@pytest.fixture
def square() -> Callable[[int, int], np.ndarray]:
    return truth
