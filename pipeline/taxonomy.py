"""A taxonomy: the classes and the tree over them, as written in conf/taxonomy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EMOTIONS = ("anger", "disgust", "fear", "happy", "neutral", "sad")


@dataclass(frozen=True)
class Node:
    """One place in the tree: a class where it has no children, a decision where it has.

    Attributes
    ----------
    name : str
        Class or group name; the root is ``"emotion"``.
    children : tuple of Node
        Two or more, or none.
    """

    name: str
    children: tuple[Node, ...] = ()

    @classmethod
    def read(cls, tree: Mapping[str, Any] | Sequence[str], name: str = "emotion") -> Node:
        """Build the tree from its nested notation: a mapping of groups, a list of classes.

        Raises
        ------
        ValueError
            Where a name stands twice or a decision has fewer than two branches.
        """
        if isinstance(tree, Mapping):
            children = tuple(cls(k) if v is None else cls.read(v, k) for k, v in tree.items())
        else:
            children = tuple(cls(k) for k in tree)
        node = cls(name, children)
        names = [n.name for n in node.walk()]
        if len(children) < 2:
            raise ValueError(
                f"taxonomy: the node {name!r} needs at least two branches, it has {len(children)}"
            )
        if len(set(names)) < len(names):
            raise ValueError(f"taxonomy: a name stands twice under {name!r}: {sorted(names)}")
        return node

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it, from the top down."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes below this node, sorted; its own name where it is one."""
        return tuple(sorted(n.name for n in self.walk() if not n.children))

    @property
    def decisions(self) -> tuple[Node, ...]:
        """The nodes that choose among children, from the top down."""
        return tuple(n for n in self.walk() if n.children)

    def path(self, label: str) -> tuple[Node, ...]:
        """Return the nodes from below this one down to the class `label`."""
        for child in self.children:
            if label in child.classes:
                return (child, *child.path(label))
        return ()
