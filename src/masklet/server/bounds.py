"""What a process that touches files of strangers may use; it sets this for itself before it opens one."""

from __future__ import annotations

MOST_FILES = 64


def bind(most_bytes: int, seconds: int | None = None) -> None:
    """Bound the present process for good: no large memory, no core dump, no file written.

    most_bytes   of address space
    seconds      of processor time; None: as long as it is asked for something
    """
    try:
        import resource
    except ImportError:  # Windows: the time limit of the parent is what remains
        return
    bounds = [
        (resource.RLIMIT_AS, most_bytes),
        (resource.RLIMIT_NOFILE, MOST_FILES),
        (resource.RLIMIT_FSIZE, 0),
    ]
    if seconds is not None:
        bounds.append((resource.RLIMIT_CPU, seconds))
    for what, most in bounds:
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
