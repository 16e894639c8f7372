"""The journal: every start on disk before anything is asked about it, and the books over all of them."""

from rollcall_agent.journal.books import AgentLedger, Books, Gap, KernelRow
from rollcall_agent.journal.file import JournalError, JournalInUseError, JournalTooNewError
from rollcall_agent.journal.ledger import Count, JournalCorruptError, NotCommittedError
from rollcall_agent.journal.reader import DEFAULT_PATH, Reader, open_reader
from rollcall_agent.journal.start import Revision, Start, State
from rollcall_agent.journal.writer import IN_HAND, MAX_BYTES, Journal, open_journal

__all__ = [
    "DEFAULT_PATH",
    "IN_HAND",
    "MAX_BYTES",
    "AgentLedger",
    "Books",
    "Count",
    "Gap",
    "Journal",
    "JournalCorruptError",
    "JournalError",
    "JournalInUseError",
    "JournalTooNewError",
    "KernelRow",
    "NotCommittedError",
    "Reader",
    "Revision",
    "Start",
    "State",
    "open_journal",
    "open_reader",
]
