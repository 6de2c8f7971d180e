"""Put cassettes together and take them apart. Cassettes in, the content of others out; lines that stay are byte-identical.

What a line that stays shares with one that does not comes along, in a carrier: a line with content and no call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.cassette.beginning import check_may_be_replaced, is_ours
from otel_agenttrace.cassette.exchanges import reference_of
from otel_agenttrace.cassette.foreign import refuse_log
from otel_agenttrace.cassette.index import Line
from otel_agenttrace.cassette.pack import SUFFIX as PACKED
from otel_agenttrace.cassette.pack import unpacked
from otel_agenttrace.cassette.private import write_private
from otel_agenttrace.cassette.reader import Cassette, open_cassette
from otel_agenttrace.cassette.rewriting import ended, without
from otel_agenttrace.cassette.sidecars import copy_named, notes_path, remove_unused, sidecars
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.dialects.translating import translated
from otel_agenttrace.errors import CassetteError, CassetteInaccessible, ConfigError
from otel_agenttrace.library.annotations import Annotations, add_remarks, annotations_of, carried, replace_remarks
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.selectors import Selectable, parse_selector, select

__all__ = ["Made", "SplitBy", "merged", "opened", "sliced", "split", "write"]

SplitBy: TypeAlias = Literal["agent", "trace"]
"""What becomes a cassette of its own: what one agent did, or each trace."""

_Place: TypeAlias = "tuple[int, int]"
"""The offset of a line and the position of a span in it."""
_NAMED_BY: Final = (semconv.GEN_AI_AGENT_NAME, semconv.GEN_AI_WORKFLOW_NAME)


@dataclass(frozen=True, slots=True)
class Made:
    """The content of a cassette that was made of others.

    Attributes:
        content: Its lines.
        sources: The cassettes whose large bodies it may name.
        spans: How many spans it has.
        left_out: How many spans of its sources it has not.
        annotations: What people put on the spans of its sources.
    """

    content: bytes
    sources: tuple[Path, ...]
    spans: int
    left_out: int
    annotations: tuple[Annotations, ...] = ()


class Opened:
    """A cassette with its content in memory, and where its spans stand."""

    def __init__(self, path: Path, cassette: Cassette, content: bytes) -> None:
        self.path = path
        self.content = content
        self._cassette = cassette
        self._line_at = {line.offset: line for line in cassette.index.lines}

    @property
    def has_calls(self) -> bool:
        """Whether a recorded call is in it."""
        return bool(self._cassette.index.calls)

    @cached_property
    def spans(self) -> Mapping[_Place, Span]:
        """The spans by their place, in the order of the file; not those that only carry content."""
        index = self._cassette.index
        places = (
            (line.offset, position) for line in index.lines for position, _ in enumerate(self._cassette.decoded(line))
        )
        return dict(zip((at for at in places if at not in index.carriers), self._cassette.spans(), strict=True))

    @cached_property
    def trace(self) -> Trace:
        """The spans as a trace."""
        return Trace(tuple(sorted(self.spans.values(), key=lambda span: span.start_ns)), path=self.path)

    @cached_property
    def annotations(self) -> Annotations:
        """What people put on the spans."""
        return annotations_of(self.trace)

    def only(self, kept: Set[_Place]) -> Made:
        """Return a cassette of some of the spans, and of what they share with others."""
        found: list[bytes] = []
        removed: list[_Place] = []
        size = 0
        for line in sorted(self._lines_for(kept), key=lambda line: line.offset):
            raw = ended(self.content[line.offset : line.offset + line.size])
            inside = range(len(self._cassette.decoded(line)))
            places = ((line.offset, position) for position in inside)
            removed += [(size, at[1]) for at in places if at in self.spans and at not in kept]
            found.append(raw)
            size += len(raw)
        content = without(self.path, b"".join(found), removed)
        return Made(content, (self.path,), len(kept), len(self.spans) - len(kept), (self.annotations,))

    def _lines_for(self, kept: Set[_Place]) -> Collection[Line]:
        """Return the lines of some spans, and those that hold what they refer to, directly or not."""
        lines = {offset: self._line_at[offset] for offset, _ in kept}
        waiting = list(lines.values())
        while waiting:
            for span in self._cassette.decoded(waiting.pop()):
                holders = (self._cassette.index.holders.get(digest) for digest in reference_of(span.attributes).digests)
                for line in (holder.line for holder in holders if holder is not None):
                    if line.offset not in lines:
                        lines[line.offset] = line
                        waiting.append(line)
        return lines.values()


def opened(path: Path) -> Opened:
    """Return a cassette to be taken apart or put together; a torn last line is left out, with a warning.

    Raises:
        CassetteError: If it cannot be read, or a line is not what the format promises.
    """
    refuse_log(path)
    cassette = open_cassette(path, strict=True)
    try:
        content = b"".join(unpacked(path)) if path.suffix == PACKED else path.read_bytes()
    except OSError as error:
        raise CassetteInaccessible(path, "read", f"{error.strerror}") from error
    if cassette.index.torn:
        content = content[: content.rfind(b"\n") + 1]
    return Opened(path, cassette, ended(content))


# --- merge, slice, split ------------------------------------------------------------------------------------------------


def merged(paths: Sequence[Path]) -> Made:
    """Return one cassette of several, in their order; of spans with the same ids in two of them, the first counts.

    Raises:
        CassetteError: If one cannot be read.
        ConfigError: If some were recorded and others exported: a replay would not answer from the latter.
    """
    _check_one_kind(paths)
    contents: list[bytes] = []
    annotations: list[Annotations] = []
    removed: list[_Place] = []
    known: set[tuple[str, str]] = set()
    size = count = 0
    for path in paths:
        part = opened(path)
        ids = {at: (span.trace_id, span.span_id) for at, span in part.spans.items()}
        removed += [(size + offset, position) for (offset, position), each in ids.items() if each in known]
        known.update(ids.values())
        contents.append(part.content)
        annotations.append(part.annotations)
        size += len(part.content)
        count += len(ids)
    content = b"".join(contents)
    made = without(paths[0], content, removed) if removed else content
    return Made(made, tuple(paths), count - len(removed), len(removed), tuple(annotations))


def _check_one_kind(paths: Sequence[Path]) -> None:
    for path in paths:
        refuse_log(path)
        open_cassette(path)  # what is no trace at all is named as that
    foreign = [path for path in paths if path.suffix != PACKED and not is_ours(path)]
    if foreign and len(foreign) < len(paths):
        raise ConfigError(
            f"{foreign[0]} is a trace that others exported, and no replay would answer from it among recorded calls.\n"
            "  to fix   merge recordings with recordings, exported traces with exported traces"
        )


def sliced(
    part: Opened,
    selector: Selectable,
    cost_of: Callable[[Span], float | None],
    *,
    now_ns: int = 0,
    with_inside: bool = False,
) -> Made:
    """Return a cassette of the spans a selector chooses, and of those above them.

    Args:
        part: The cassette.
        selector: Which spans are meant.
        cost_of: Prices one span, for selectors that ask.
        now_ns: The time, for selectors that ask how old a span is.
        with_inside: Whether all that stands below a chosen span comes along.

    Raises:
        ConfigError: If the selector cannot be read, or chooses none.
    """
    told = part.spans.values() if part.has_calls else translated(part.spans.values())
    spans = dict(zip(part.spans, told, strict=True))
    trace = Trace(tuple(sorted(spans.values(), key=lambda span: span.start_ns)), cost_of)
    chosen = select(trace, parse_selector(selector), now_ns)
    if not chosen:
        raise ConfigError(
            f"No span of {part.path} is chosen by {selector!r}.\n"
            f"  to fix   look what is there: otel-agenttrace show {quote(str(part.path))}; docs/selectors.md lists the terms"
        )
    kept = {id(span) for span in _family(chosen, trace.spans, with_inside=with_inside)}
    return part.only({at for at, span in spans.items() if id(span) in kept})


def _family(chosen: Sequence[Span], spans: Sequence[Span], *, with_inside: bool) -> Iterator[Span]:
    """Yield chosen spans and those above them, and if asked those below."""
    named = {(span.trace_id, span.span_id): span for span in spans}
    seen: set[int] = set()
    for span in chosen:
        above: Span | None = span
        while above is not None and id(above) not in seen:
            seen.add(id(above))
            yield above
            above = named.get((above.trace_id, above.parent_span_id or ""))
    if with_inside:
        yield from _inside(chosen, spans)


def _inside(chosen: Sequence[Span], spans: Sequence[Span]) -> Iterator[Span]:
    children: defaultdict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in spans:
        children[span.trace_id, span.parent_span_id or ""].append(span)
    waiting = list(chosen)
    while waiting:
        span = waiting.pop()
        below = children.pop((span.trace_id, span.span_id), [])
        yield from below
        waiting += below


def split(part: Opened, by: SplitBy) -> Iterator[tuple[str, Made]]:
    """Yield a name and a cassette for each trace, or for each agent that stands above all in a trace.

    Traces without an agent are together, by the name of the first span that stands above all.
    """
    names: Mapping[str, str] = _names(part.spans.values()) if by == "agent" else {}
    places: defaultdict[str, set[_Place]] = defaultdict(set)
    for at, span in part.spans.items():
        places[names.get(span.trace_id, span.trace_id)].add(at)
    for name, kept in places.items():
        yield name, part.only(kept)


def _names(spans: Collection[Span]) -> Mapping[str, str]:
    """Return for each trace the name of what stands above all in it."""
    known = {(span.trace_id, span.span_id) for span in spans}
    roots = [span for span in spans if (span.trace_id, span.parent_span_id) not in known]
    names: dict[str, str] = {}
    for span in sorted(roots, key=lambda span: span.start_ns):
        told = next((str(name) for key in _NAMED_BY if (name := span.attributes.get(key))), span.name)
        names.setdefault(span.trace_id, told)
    return names


# --- writing ------------------------------------------------------------------------------------------------------------


def write(made: Made, to: Path, *, replaces: bool) -> None:
    """Write a cassette that was made of others, with its large bodies and what people put on its spans.

    What stood on spans of the file that is replaced goes with them.

    Raises:
        ConfigError: If something is there and is not to be replaced, or the name is that of a packed cassette.
        CassetteInaccessible: If it cannot be written, or what is there is no cassette.
    """
    if to.suffix == PACKED:
        raise ConfigError(
            f"{to} is the name of a packed cassette.\n  to fix   name a plain one, then: otel-agenttrace pack"
        )
    if to.exists() and not replaces:
        raise ConfigError(f"{to} is there already.\n  to fix   name another file, or replace it with --force")
    try:
        check_may_be_replaced(to, "written")
        older = sidecars(to)
        replaced = _annotations_at(to)
        for source in made.sources:
            copy_named(made.content, source, to)
        write_private(to, made.content, durable=True)
        remove_unused(to, older, keeps=partial_path(to).exists())
        _write_annotations(made.annotations, replaced, to)
    except CassetteInaccessible:
        raise
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise CassetteInaccessible(to, "written", f"{told}") from error


def _annotations_at(path: Path) -> Annotations | None:
    """Return what people put on the spans of a file that is about to be replaced; None for nothing, or if it is damaged."""
    try:
        return opened(path).annotations if path.exists() and notes_path(path).is_file() else None
    except CassetteError:
        return None


def _write_annotations(of_sources: Sequence[Annotations], replaced: Annotations | None, to: Path) -> None:
    if replaced is not None:
        replace_remarks(to, carried((*of_sources, replaced), opened(to).trace))
    elif any(each.remarks for each in of_sources):
        add_remarks(to, carried(of_sources, opened(to).trace))
