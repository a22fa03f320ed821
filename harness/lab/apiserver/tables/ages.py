"""Points in time and durations as ``kubectl get`` shows them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

UNKNOWN = "<unknown>"

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY


def human_duration(seconds: float) -> str:
    """A duration in Kubernetes' short form: two units while the first is small, then one.

    The thresholds are those of ``HumanDuration`` in k8s.io/apimachinery's ``duration`` package. Up to two seconds
    before the epoch count as now, since two machines' clocks may differ.
    """
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 2 * _MINUTE:
        return f"{max(whole, 0)}s"
    if whole < 8 * _HOUR:
        return _minutes(whole)
    if whole < 8 * _DAY:
        return f"{whole // _HOUR}h" if whole < 2 * _DAY else _two(whole, _DAY, "d", _HOUR, "h")
    if whole < 2 * _YEAR:
        return f"{whole // _DAY}d"
    return _two(whole, _YEAR, "y", _DAY, "d") if whole < 8 * _YEAR else f"{whole // _YEAR}y"


def _minutes(whole: int) -> str:
    if whole < 10 * _MINUTE:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    return _two(whole, _HOUR, "h", _MINUTE, "m")


def _two(whole: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    rest = whole % large // small
    return f"{whole // large}{large_unit}" + (f"{rest}{small_unit}" if rest else "")


def moment(text: object) -> datetime | None:
    """A time of the API (RFC 3339); None for an absent or malformed one."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def since(text: object, now: datetime) -> str:
    """How long ago a time of the API was, in the short form; ``<unknown>`` for none."""
    then = moment(text)
    return UNKNOWN if then is None else human_duration((now - then).total_seconds())
