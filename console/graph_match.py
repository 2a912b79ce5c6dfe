"""Finds the steps of one graph in another one in which they may have other labels."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import takewhile

from console.graph_form import Graph, Step

__all__ = ["is_kept", "matched"]

_Edges = Mapping[str, list[tuple[str, str]]]
"""Of each step: how it touches another one, and which."""


def is_kept(step: Step) -> bool:
    """Return whether a step keeps something that the job after it takes over."""
    return bool(step.holds)


def matched(old: Graph, new: Graph) -> dict[str, str]:
    """Return the new label of each old step whose counterpart is beyond doubt.

    A step of the same label and content is itself, unless its neighbours tell that it has changed
    labels with another one. Others are told by their content and by their neighbours, near ones and
    far, then by what is left of their labels; where two look alike in all that, neither is matched.
    A label that is in use in both graphs stays with its step, unless the one that has it now is
    matched too.
    """
    found = _settled(_grown(old, new), new)
    if any(is_kept(step) and label not in found for label, step in old.steps.items()):
        # Labels that have changed places lead astray, but shapes do not.
        alone = _unique(_Side(old, {}), _Side(new, {}), len(old.steps), whole=True)
        if all(label in alone for label, step in old.steps.items() if is_kept(step)):
            return alone
    return found


def _told_by_label(old: Graph, new: Graph, found: dict[str, str]) -> dict[str, str]:
    """Tell those apart that are of one shape by what their labels still have in common.

    Of a composite that is renamed the parts keep the rest of theirs.
    """
    a, b = _sides(old, new, found)
    far = len(old.steps) + len(new.steps)
    left, right = _groups(a.colours(far, True)), _groups(b.colours(far, True))
    return {
        label: best
        for colour, labels in left.items()
        for label in labels
        if label not in found
        and (best := _nearest(label, right.get(colour, ())))
        and _nearest(best, labels) == label
    }


def _nearest(label: str, labels: Iterable[str]) -> str | None:
    """Return the one that has most in common with a label, None where that is not one alone."""
    ranked = sorted(((_in_common(label, each), each) for each in labels), reverse=True)
    if not ranked or not ranked[0][0] or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
        return None
    return ranked[0][1]


def _in_common(label: str, other: str) -> int:
    a, b = label.split("/"), other.split("/")
    return _common(a, b) + _common(a[::-1], b[::-1])


def _common(a: list[str], b: list[str]) -> int:
    pairs = zip(a, b, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _exchanged(old: Graph, new: Graph, same: set[str]) -> set[str]:
    """Return which labels of equal steps others have now, as far as their neighbours tell it.

    Of a composite that has changed labels with another one every part has, and is told from the
    steps of which there is one alone; a part by itself is told from all that keep nothing.
    """
    counts = Counter(step.content for step in old.steps.values())
    alike = {label for label in same if counts[old.steps[label].content] > 1}
    keeping = {label for label in same if is_kept(old.steps[label])}
    far = len(old.steps) + len(new.steps)
    for unsure in (alike, alike & keeping):
        sides = _sides(old, new, {label: label for label in same - unsure})
        told = _unique(*sides, far, whole=True)
        others = {label for label in unsure if told.get(label, label) != label}
        if others & keeping:
            return others
    return set()


def _grown(old: Graph, new: Graph) -> dict[str, str]:
    same = {
        label
        for label, step in old.steps.items()
        if label in new.steps and new.steps[label].content == step.content
    }
    found = {label: label for label in old.steps if label in same - _exchanged(old, new, same)}
    far = len(old.steps) + len(new.steps)
    # What is between steps that keep something may come and go, so they are looked at alone too.
    views = [(True, far), (False, far), (False, 1), (True, 1)]
    while True:
        a, b = _sides(old, new, found)
        for whole, rounds in views:
            more = _unique(a, b, rounds, whole)
            if more.keys() - found.keys():
                found |= more
                break
        else:
            more = _told_by_label(old, new, found)
            if not more:
                return found
            found |= more


def _settled(found: dict[str, str], new: Graph) -> dict[str, str]:
    """Take back what would leave a label to a step that is not known to have got it."""
    while True:
        given = set(found.values())
        kept = {
            label: to
            for label, to in found.items()
            if label == to or label not in new.steps or label in given
        }
        if len(kept) == len(found):
            return found
        found = kept


class _Side:
    """One of the graphs, and the names that the steps which are matched already have in common."""

    def __init__(self, graph: Graph, known: Mapping[str, int]) -> None:
        self.graph, self.known = graph, known
        self.edges = _edges(graph)

    def colours(self, rounds: int, whole: bool) -> dict[str, int]:
        """Return a hash for each step that is the same for two if so are their surroundings."""
        edges = self.edges if whole else _between_kept(self.graph, self.edges)
        steps = self.graph.steps
        colours = {label: self.known.get(label) or hash(steps[label].content) for label in edges}
        for _ in range(rounds):
            before = len(set(colours.values()))
            colours = {
                label: self.known.get(label)
                or hash((colours[label], *sorted((how, colours[to]) for how, to in edges[label])))
                for label in edges
            }
            if rounds > 1 and len(set(colours.values())) == before:
                break
        return colours


def _sides(old: Graph, new: Graph, found: Mapping[str, str]) -> tuple[_Side, _Side]:
    names = {label: hash(("pair", number)) for number, label in enumerate(sorted(found))}
    return _Side(old, names), _Side(new, {found[label]: name for label, name in names.items()})


def _unique(a: _Side, b: _Side, rounds: int, whole: bool) -> dict[str, str]:
    left, right = _groups(a.colours(rounds, whole)), _groups(b.colours(rounds, whole))
    return {
        labels[0]: right[colour][0]
        for colour, labels in left.items()
        if len(labels) == 1 and len(right.get(colour, ())) == 1
    }


def _groups(colours: Mapping[str, int]) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = defaultdict(list)
    for label, colour in colours.items():
        groups[colour].append(label)
    return groups


def _edges(graph: Graph) -> dict[str, list[tuple[str, str]]]:
    edges: dict[str, list[tuple[str, str]]] = {label: [] for label in graph.steps}
    for label, step in graph.steps.items():
        for place in step.inputs:
            edges[label].append((f"from {place.output}", place.step))
            edges[place.step].append((f"to {place.output}", label))
    return edges


def _between_kept(graph: Graph, edges: _Edges) -> dict[str, list[tuple[str, str]]]:
    kept = [label for label, step in graph.steps.items() if is_kept(step)]
    return {
        label: [
            (way, other) for way in ("from", "to") for other in _next_kept(graph, edges, label, way)
        ]
        for label in kept
    }


def _next_kept(graph: Graph, edges: _Edges, start: str, way: str) -> Iterable[str]:
    seen, waiting = {start}, [start]
    while waiting:
        for how, label in edges[waiting.pop()]:
            if how.startswith(way) and label not in seen:
                seen.add(label)
                if is_kept(graph.steps[label]):
                    yield label
                else:
                    waiting.append(label)
