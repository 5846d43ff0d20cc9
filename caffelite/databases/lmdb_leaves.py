"""What can still be read of an LMDB database with damaged pages: leaf page by leaf page, record by record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from caffelite.core.data.lmdb_pages import Tree
from caffelite.core.data.lmdb_reader import Snapshot
from caffelite.core.data.lmdb_records import Block, Record
from caffelite.core.errors import DataError


def read_leaves(folder: Path) -> Iterator[list[Record | DataError]]:
    """Give the records of each leaf page in the order of keys, in place of a page or record that is damaged its error.

    How many records a damaged page had cannot be told. Raises DataError if the way to the leaf pages is damaged.
    """
    snapshot = Snapshot(folder)
    tree = Tree(snapshot.file, snapshot.meta)
    for leaf in range(len(tree.leaves())):
        yield _records(tree, leaf)
        snapshot.check_kept()


def _records(tree: Tree, leaf: int) -> list[Record | DataError]:
    try:
        block = Block(tree, leaf, 1)
    except DataError as err:
        return [err]
    try:
        return [*block.records(0, block.count)]
    except DataError:  # pages of a large value
        return [found for place in range(block.count) for found in _record(block, place)]


def _record(block: Block, place: int) -> list[Record | DataError]:
    try:
        return [*block.records(place, place + 1)]
    except DataError as err:
        return [err]
