"""Counting starts by image: which record a start belongs to, and the record with one start more. Pure.

`share` takes from an observation what it adds, `moves` says which records change by how much, given what was counted
for the same start before, and `fold` changes one. De-duplication is `moves` alone: whoever keeps the records keeps for
each start the share that was counted, and writes both in one transaction.
"""

from __future__ import annotations

from rollcall.fold.record import ImageRecord, fold
from rollcall.fold.share import UNRESOLVED, Alias, Place, RecordKey, Share, Standing, is_news, moves, share
from rollcall.fold.tally import Counted, Tally

__all__ = [
    "UNRESOLVED",
    "Alias",
    "Counted",
    "ImageRecord",
    "Place",
    "RecordKey",
    "Share",
    "Standing",
    "Tally",
    "fold",
    "is_news",
    "moves",
    "share",
]
