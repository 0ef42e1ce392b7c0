"""The store: a project's people, videos and masklets, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from fakes import truth
from masklet.annotate import journal, masklets, schema
from masklet.annotate.database import Database
from masklet.annotate.masklets import Kept, doubt_of
from masklet.annotate.project import Project
from masklet.errors import ConfigError, ProjectError
from masklet.types import Mask, Prompt


def test_migrations_make_the_tables_that_the_code_uses(project: Project) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def differences(connection) -> list:
        return compare_metadata(MigrationContext.configure(connection), schema.metadata)

    assert project.database.read(differences) == []


def test_migrating_back_leaves_nothing(tmp_path: Path) -> None:
    from alembic import command

    from masklet.annotate.database import _alembic

    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    database.migrate()
    database.write(lambda c: command.downgrade(_alembic(c), "base"))
    assert database.read(lambda c: sa.inspect(c).get_table_names()) == ["alembic_version"]


def test_a_project_is_made_once_and_found_again(small: Project) -> None:
    assert small.model == "fake"
    with pytest.raises(ProjectError, match="a project already"):
        Project.create(small.folder)
    with Project.open(small.folder) as again:
        assert [p.name for p in again.people()] == ["ann", "rita"]


def test_what_is_no_project_is_told(tmp_path: Path, small: Project) -> None:
    with pytest.raises(ProjectError, match="is no project; make one with"):
        Project.open(tmp_path / "nowhere")
    (small.folder / "project.json").write_text("{")
    with pytest.raises(ProjectError, match=r"project\.json is damaged"):
        Project.open(small.folder)
    (small.folder / "project.json").write_text(json.dumps({"format": 9, "database": None}))
    with pytest.raises(ProjectError, match="newer masklet"):
        Project.open(small.folder)


@pytest.mark.parametrize("url", ["oracle://x/y", "not a url"])
def test_other_databases_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="postgresql://"):
        Project.create(tmp_path / "p", database=url)


def test_tables_of_a_newer_masklet_are_left_alone(small: Project) -> None:
    small.database.write(lambda c: c.execute(sa.text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(ProjectError, match="newer masklet"):
        Project.open(small.folder)


def test_people_have_names_and_roles(project: Project) -> None:
    assert project.add_person("ann", "admin").role == "admin"
    with pytest.raises(ConfigError, match="role 'king'"):
        project.add_person("x", "king")
    with pytest.raises(ProjectError, match="nobody here is called zoe"):
        project.person("zoe")


def test_videos_stay_where_they_are(project: Project, make_video) -> None:
    folder = make_video()
    video = project.add_video(folder)
    assert (video.name, video.frames, video.width, video.height) == ("walk", 6, 128, 96)
    assert project.add_video(folder) == video
    other = make_video("other/walk")
    with pytest.raises(ProjectError, match=r"give .* another name"):
        project.add_video(other)
    assert project.add_video(other, "walk-2").name == "walk-2"
    # Twice in a project, it could be learned from and measured on.
    with pytest.raises(ProjectError, match=r"is video walk already; leave --name x out"):
        project.add_video(folder, "x")
    assert project.add_video(other).name == "walk-2"


def test_a_video_is_removed_with_its_masklets_only_when_that_is_said(project: Project, make_video) -> None:
    folder = make_video()
    project.add_video(folder)
    kept = project.add_video(make_video("other/run"))
    for name in ("walk", "run"):
        mask = Mask.from_array(truth(0, 1))
        masklets.add(
            project, name, origin="automatic", status="submitted", masks={0: Kept(mask, 0.9, 4.0, True)}
        )
    with pytest.raises(ProjectError, match="walk has 1 masklet; --with-masklets"):
        project.remove_video("walk")
    assert len(masklets.find(project)) == 2
    assert project.remove_video("walk", with_masklets=True) == 1
    assert project.videos() == (kept,)
    assert [entry.video for entry in masklets.find(project)] == ["run"]
    assert folder.is_dir()
    with pytest.raises(ProjectError, match="walk is not in the project"):
        project.remove_video("walk")
    assert project.add_video(folder).name == "walk"  # and comes back empty
    assert project.remove_video("walk") == 0


def test_a_videos_rate_is_what_its_frames_say(small: Project, tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "fast.mp4"), "w") as out:
        # Without lengths of frames the file states a rate of many hundreds.
        stream = out.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(31):
            out.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(stream.encode())
    assert small.add_video(tmp_path / "fast.mp4").rate == pytest.approx(30)


def test_a_video_that_vanished_costs_no_masklet(project: Project, make_video, add_masklet) -> None:
    folder = make_video()
    project.add_video(folder)
    entry = add_masklet(project)
    moved = folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(ProjectError, match=r"not at .* any more"):
        project.source(project.video("walk"))
    assert len(masklets.masks(project, entry.id)) == 6
    moved.rename(folder)
    source = project.source(project.video("walk"))
    assert len(source) == 6
    source.close()
    (folder / "00005.png").unlink()
    with pytest.raises(ProjectError, match="had 6"):
        project.source(project.video("walk"))


def test_masks_come_back_as_they_went_in(project: Project, make_video, add_masklet) -> None:
    project.add_video(make_video())
    entry = add_masklet(project, object_id=2, category="cat")
    assert (entry.number, entry.category, entry.video) == (1, "cat", "walk")
    found = masklets.masks(project, entry.id)
    assert [found[t].mask for t in range(6)] == [Mask.from_array(truth(t, 2)) for t in range(6)]
    assert (found[0].prompted, found[1].prompted, found[0].iou) == (True, False, 0.9)
    masklets.put_masks(project, entry.id, {3: Kept(Mask.empty(96, 128), 0.2, -2.0)})
    assert masklets.masks(project, entry.id)[3].mask.is_empty
    assert masklets.get(project, entry.id).doubt > entry.doubt


def test_masks_of_some_frames_are_read_alone(small: Project, make_video, add_masklet) -> None:
    small.add_video(make_video())
    entry = add_masklet(small)
    assert list(masklets.masks(small, entry.id, range(2, 4))) == [2, 3]
    assert list(masklets.masks(small, entry.id, range(4, 100))) == [4, 5]


def test_numbers_count_up_and_are_not_given_twice(project: Project, make_video, add_masklet) -> None:
    project.add_video(make_video())
    assert [add_masklet(project).number for _ in range(2)] == [1, 2]
    assert add_masklet(project, number=7).number == 7
    with pytest.raises(ProjectError, match="object 7 of walk is there already"):
        add_masklet(project, number=7)


def test_masks_that_do_not_fit_change_nothing(project: Project, make_video) -> None:
    project.add_video(make_video())
    with pytest.raises(ProjectError, match="frame 6 is outside video walk"):
        masklets.add(project, "walk", masks={6: Kept(Mask.empty(96, 128))})
    with pytest.raises(ProjectError, match="2×2"):
        masklets.add(project, "walk", masks={0: Kept(Mask.empty(2, 2))})
    assert masklets.find(project) == ()


def test_a_failed_transaction_leaves_nothing(project: Project, make_video, add_masklet) -> None:
    project.add_video(make_video())
    entry = add_masklet(project)

    def halfway(connection) -> None:
        connection.execute(sa.delete(schema.mask))
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        project.database.write(halfway)
    assert len(masklets.masks(project, entry.id)) == 6


def test_two_writers_at_once_lose_nothing(project: Project, make_video) -> None:
    project.add_video(make_video())
    errors: list[BaseException] = []

    def add_some() -> None:
        try:
            with Project.open(project.folder) as mine:
                for _ in range(5):
                    masklets.add(mine, "walk")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=add_some) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(e.number for e in masklets.find(project)) == list(range(1, 16))


def test_events_are_kept_once(project: Project) -> None:
    key = journal.new_key()
    ann = project.person("ann").id
    for _ in range(2):  # a write repeated after a lost connection
        project.database.write(
            lambda c: journal.note(c, key, "import", at=5.0, person=ann, seconds=2, detail={"a": 1})
        )
    (event,) = journal.events(project)
    assert (event.kind, event.person, event.seconds, event.detail) == ("import", "ann", 2, {"a": 1})


def test_masklets_know_their_checkpoint(project: Project, make_video, add_masklet, tmp_path: Path) -> None:
    project.add_video(make_video())
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"weights")
    row = journal.checkpoint(project, str(weights))
    assert journal.checkpoint(project, str(weights)) == row
    entry = add_masklet(project, checkpoint=row)
    assert entry.checkpoint == f"{weights} sha256:{journal.weights_hash(str(weights))[:12]}"
    inside = project.folder / "models" / "better.pt"
    inside.write_bytes(b"better")
    journal.note_training(project, str(inside), row, {"J&F": 0.9}, adopt=False)
    assert project.model == "fake"
    journal.note_training(project, str(inside), row, {"J&F": 0.9}, adopt=True)
    assert Path(project.model) == inside.resolve()
    moved = Path(shutil.copytree(project.folder, tmp_path / "moved"))
    with Project.open(moved) as there:
        assert Path(there.model) == (moved / "models" / "better.pt").resolve()


def test_prompts_survive_as_json() -> None:
    for prompt in (
        Prompt.of(clicks=[(1.5, 2), (3, 4, False)], box=(1, 2, 3, 4)),
        Prompt.of(clicks=[(1, 2)]),
        Prompt.of(mask=truth(0, 1)),
    ):
        assert masklets.prompt_from(json.loads(json.dumps(masklets.prompt_to(prompt)))) == prompt


def test_doubt_is_between_sure_and_lost() -> None:
    assert doubt_of([]) == 0
    assert doubt_of([(1.0, 5.0, False)] * 3) == 0
    assert doubt_of([(0.1, 5.0, True)]) == 0  # a person saw it
    one_bad = doubt_of([(1.0, 5.0, False)] * 9 + [(0.0, 5.0, False)])
    assert one_bad == pytest.approx((0.1 + 1) / 2)
    assert doubt_of([(0.9, -0.1, False)]) > 0.9  # just hidden
    assert doubt_of([(0.1, -9.0, False)]) == 0  # surely hidden


def test_a_full_disk_is_told_and_nothing_is_lost(small: Project, make_video, add_masklet) -> None:
    small.add_video(make_video())
    entry = add_masklet(small)

    def fill(connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        masks = {"masklet_id": entry.id, "frame": 99, "area": 0, "prompted": False}
        connection.execute(sa.insert(schema.mask).values(counts=b"x" * 4_000_000, **masks))

    with pytest.raises(ProjectError, match=r"no space left for .*; nothing was changed"):
        small.database.write(fill)
    assert len(masklets.masks(small, entry.id)) == 6


def test_what_waiting_does_not_change_is_told_at_once(pg_server, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(pg_server.url("nothere"), patience=120)
    monkeypatch.setattr("masklet.annotate.database.time.sleep", pytest.fail)
    with pytest.raises(ProjectError, match=r'nothere" does not exist; make it first \(createdb NAME'):
        database.read(lambda c: c.execute(sa.text("SELECT 1")))
    assert database.shown_url.startswith("postgresql://tester@")
    database.close()


def test_a_database_that_comes_back_is_waited_for(tmp_path: Path, pg_server, make_video) -> None:
    database = Database(pg_server.url("empty"), patience=120)
    database.read(lambda c: c.execute(sa.select(schema.person)).all())  # a connection that will be lost
    pg_server.stop("fast")
    waiting = threading.Timer(0.2, pg_server.start)
    waiting.start()
    try:
        insert = sa.insert(schema.person).values(name="late", role="admin")
        database.write(lambda c: c.execute(insert) and None)
        names = database.read(lambda c: c.execute(sa.select(schema.person.c.name)).scalars().all())
        assert "late" in names
    finally:
        waiting.join()
        gone = sa.delete(schema.person).where(schema.person.c.name == "late")
        database.write(lambda c: c.execute(gone) and None)
        database.close()


def test_a_database_that_stays_away_is_told(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    database = Database(f"postgresql://tester@/x?host={tmp_path}", patience=0.2)
    with pytest.raises(ProjectError, match="database postgresql"):
        database.read(lambda c: c.execute(sa.text("SELECT 1")))
