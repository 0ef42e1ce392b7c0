"""Who works on what: the queue, leases that expire, assignment."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from masklet.annotate import schema
from masklet.annotate.masklets import entries, entry_of, get
from masklet.annotate.project import Project
from masklet.annotate.records import Entry, Person, Task
from masklet.errors import ConfigError, ProjectError

LEASE = 1800.0
"""Seconds a task is held without a sign of life."""
MAY = {"annotate": ("annotator", "admin"), "verify": ("reviewer", "admin")}
"""Duty → roles that have it."""
WAITING = {"annotate": ("unsatisfactory", "open"), "verify": ("submitted",)}
"""Duty → statuses of masklets that wait for it."""


def claim(
    project: Project,
    person: str,
    duty: str,
    *,
    masklet: int | None = None,
    lease: float = LEASE,
    second: bool = False,
) -> Task | None:
    """Take the next task, or a certain one, and hold it.

    What the person holds already comes first. Then, for `annotate`: what came back, then what is new; for
    `verify`: what others submitted. Within that, what the model doubts most; what is kept for somebody else
    is left out.
    second    verify: a second opinion on what somebody else found satisfactory
    returns   None when nothing waits
    raises    ProjectError when the role does not allow it, or the masklet asked for is held or does not wait
    """
    who = allowed(project, person, duty)
    now = project.clock()
    for entry in _candidates(project, who, duty, masklet, second, now):
        if project.database.write(lambda c, e=entry: _hold(c, e, who, duty, now, now + lease)):  # type: ignore[misc]
            current = get(project, entry.id)
            return Task(current, duty, who.name, now + lease, last_reasons(project, entry.id))  # type: ignore[arg-type]
    if masklet is not None:
        raise ProjectError(_why_not(project, masklet, who, duty, second))
    return None


def renew(project: Project, task: Task, lease: float = LEASE) -> float:
    """Hold on to a task: a sign of life. Returns when it expires now.

    raises   ProjectError when somebody else holds it meanwhile
    """
    who, expires = project.person(task.person), project.clock() + lease
    project.database.write(lambda c: extend(c, task.entry.id, who, project.clock(), expires))
    return expires


def in_hand(project: Project, masklet: int, person: str, duty: str) -> Task:
    """The task that a person holds, for whoever comes back to it without having kept it.

    One whose lease ran out counts until somebody else takes it.
    raises   ProjectError when the role does not allow it any more, or the person does not hold it
    """
    who = allowed(project, person, duty)
    table = schema.lease
    query = sa.select(table.c.expires).where(
        table.c.masklet_id == masklet, table.c.person_id == who.id, table.c.duty == duty
    )
    expires = project.database.read(lambda c: c.execute(query).scalar())
    entry = get(project, masklet)
    if expires is None:
        holder = held(project).get(masklet)
        if holder is not None and holder[0] != who.name:
            raise ProjectError(f"masklet {masklet} is held by {holder[0]} now; take another one")
        raise ProjectError(f"masklet {masklet} is not yours to {duty} any more; claim it again")
    return Task(entry, duty, who.name, expires, last_reasons(project, masklet))  # type: ignore[arg-type]


def release(project: Project, masklet: int, person: str) -> None:
    """Give a task back; nothing happens when the person does not hold it."""
    who = project.person(person)
    table = schema.lease
    gone = sa.delete(table).where(table.c.masklet_id == masklet, table.c.person_id == who.id)
    project.database.write(lambda c: c.execute(gone) and None)


def assign(project: Project, masklet: int, person: str | None) -> Entry:
    """Keep a masklet's annotation for somebody, or with None for anybody."""
    who = None if person is None else allowed(project, person, "annotate").id
    get(project, masklet)
    change = sa.update(schema.masklet).where(schema.masklet.c.id == masklet).values(assignee_id=who)
    project.database.write(lambda c: c.execute(change) and None)
    return get(project, masklet)


def held(project: Project) -> dict[int, tuple[str, float]]:
    """Masklet → (who holds it, until when), leases that have run out left out."""
    query = (
        sa.select(schema.lease.c.masklet_id, schema.person.c.name, schema.lease.c.expires)
        .join(schema.person, schema.person.c.id == schema.lease.c.person_id)
        .where(schema.lease.c.expires > project.clock())
    )
    rows = project.database.read(lambda c: c.execute(query).all())
    return {row.masklet_id: (row.name, row.expires) for row in rows}


def extend(connection: Connection, masklet: int, who: Person, now: float, expires: float) -> None:
    """Inside a transaction: make sure that the person holds the masklet, and go on holding it.

    A lease that ran out and that nobody else took is taken again: no work is lost to a coffee break.
    """
    table = schema.lease
    row = connection.execute(sa.select(table).where(table.c.masklet_id == masklet).with_for_update()).first()
    if row is None:
        raise ProjectError(f"masklet {masklet} is not yours any more; claim it again")
    if row.person_id != who.id:
        raise ProjectError(f"masklet {masklet} is held by somebody else now: your lease ran out")
    connection.execute(sa.update(table).where(table.c.masklet_id == masklet).values(expires=expires))


def _hold(connection: Connection, entry: Entry, who: Person, duty: str, now: float, expires: float) -> bool:
    """Take the lease if it is free, has run out or is the person's own."""
    table = schema.lease
    status = connection.execute(
        sa.select(schema.masklet.c.status).where(schema.masklet.c.id == entry.id).with_for_update()
    ).scalar()
    if status != entry.status:  # somebody was faster
        return False
    row = connection.execute(sa.select(table).where(table.c.masklet_id == entry.id)).first()
    if row is not None and row.person_id != who.id and row.expires > now:
        return False
    values = {"duty": duty, "person_id": who.id, "expires": expires}
    if row is None:
        connection.execute(sa.insert(table).values(masklet_id=entry.id, **values))
    else:
        connection.execute(sa.update(table).where(table.c.masklet_id == entry.id).values(**values))
    return True


def _candidates(
    project: Project, who: Person, duty: str, masklet: int | None, second: bool, now: float
) -> list[Entry]:
    table, leases = schema.masklet, schema.lease
    query = (
        entries()
        .add_columns(leases.c.person_id.label("holder"))
        .outerjoin(leases, (leases.c.masklet_id == table.c.id) & (leases.c.expires > now))
        .where(table.c.status.in_(_waiting(duty, second)))
        .where(sa.or_(leases.c.person_id.is_(None), leases.c.person_id == who.id))
    )
    if masklet is not None:
        query = query.where(table.c.id == masklet)
    if duty == "annotate":
        query = query.where(sa.or_(table.c.assignee_id.is_(None), table.c.assignee_id == who.id))
    else:
        query = query.where(~own_work(who.id)).where(~_judged(who.id))
    order = (
        sa.case((leases.c.person_id.is_(None), 1), else_=0),
        sa.case((table.c.status == "unsatisfactory", 0), else_=1),
        table.c.doubt.desc(),
        table.c.id,
    )
    rows = project.database.read(lambda c: c.execute(query.order_by(*order).limit(50)).all())
    return [entry_of(row) for row in rows]


def _waiting(duty: str, second: bool) -> tuple[str, ...]:
    return ("satisfactory",) if second and duty == "verify" else WAITING[duty]


def own_work(person: int) -> sa.ColumnElement[bool]:
    """Whether a person had a hand in a masklet: nobody verifies their own work."""
    table = schema.event
    return sa.exists().where(
        table.c.masklet_id == schema.masklet.c.id,
        table.c.person_id == person,
        table.c.kind.in_(("prompt", "submit")),
    )


def _judged(person: int) -> sa.ColumnElement[bool]:
    table = schema.review
    return sa.exists().where(
        table.c.masklet_id == schema.masklet.c.id,
        table.c.person_id == person,
        table.c.round == schema.masklet.c.rounds,
    )


def last_reasons(project: Project, masklet: int) -> tuple[str, ...]:
    """Why a masklet came back, of its latest verdict."""
    table = schema.review
    query = (
        sa.select(table.c.reasons).where(table.c.masklet_id == masklet).order_by(table.c.at.desc()).limit(1)
    )
    found = project.database.read(lambda c: c.execute(query).scalar())
    return tuple(found or ())


def allowed(project: Project, person: str, duty: str) -> Person:
    """The person, if their role has the duty; raises ProjectError otherwise."""
    if duty not in MAY:
        raise ConfigError(f"duty {duty!r} is unknown; give {' or '.join(MAY)}")
    who = project.person(person)
    if who.role not in MAY[duty]:
        raise ProjectError(f"{person} is {who.role} and may not {duty}; that takes {' or '.join(MAY[duty])}")
    return who


def _why_not(project: Project, masklet: int, who: Person, duty: str, second: bool) -> str:
    entry = get(project, masklet)
    holder = held(project).get(masklet)
    if holder is not None and holder[0] != who.name:
        return f"masklet {masklet} is held by {holder[0]}; take another one"
    if entry.status not in _waiting(duty, second):
        more = (
            " but a second opinion (--second)" if duty == "verify" and entry.status == "satisfactory" else ""
        )
        return f"masklet {masklet} is {entry.status}; there is nothing to {duty}{more}"
    if duty == "annotate":
        return f"masklet {masklet} is kept for {entry.assignee}; take another one"
    return f"{who.name} worked on masklet {masklet} or has judged it; somebody else must verify it"
