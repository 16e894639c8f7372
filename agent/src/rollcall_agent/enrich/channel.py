"""One channel to one runtime's socket: every call has a deadline, few are under way at once, failures have names."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

Reply = TypeVar("Reply", bound=Message)

CALL_SECONDS: Final = 5.0
LIST_SECONDS: Final = 10.0

_UNDER_WAY: Final = 16
_LARGEST: Final = 16 << 20
"""Lists and verbose replies outgrow the default of 4 MiB."""

_OPTIONS: Final = (
    # Go's server refuses the authority that the client makes of a socket's path.
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", _LARGEST),
    # A subchannel that is shared between channels would carry an old socket's back-off over to a new one.
    ("grpc.use_local_subchannel_pool", 1),
    # By default a restarted runtime is not looked for again for up to two minutes.
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
)


class Failure(StrEnum):
    """Why a call gave no answer; the value is the reason that a record shows."""

    NOT_FOUND = "NotFound"
    UNAVAILABLE = "RuntimeUnavailable"
    HUNG = "RuntimeHung"
    MALFORMED = "MalformedAnswer"
    OVERSIZED = "OversizedAnswer"
    DENIED = "RuntimeDenied"
    WRONG_ID = "WrongID"
    INVALID = "InvalidQuestion"
    UNIMPLEMENTED = "Unimplemented"
    OTHER = "RuntimeError"


_FAILURES: Final = {
    grpc.StatusCode.NOT_FOUND: Failure.NOT_FOUND,
    grpc.StatusCode.UNAVAILABLE: Failure.UNAVAILABLE,
    grpc.StatusCode.CANCELLED: Failure.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Failure.HUNG,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Failure.OVERSIZED,
    grpc.StatusCode.PERMISSION_DENIED: Failure.DENIED,
    grpc.StatusCode.UNAUTHENTICATED: Failure.DENIED,
    grpc.StatusCode.INVALID_ARGUMENT: Failure.INVALID,
    grpc.StatusCode.UNIMPLEMENTED: Failure.UNIMPLEMENTED,
}


class CallError(Exception):
    """A call that gave no answer."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure


class Channel:
    """A channel to `unix://<path>`. Failures other than "not found" are counted in `errors`."""

    def __init__(self, path: str, errors: Counter[str]) -> None:
        self._channel = grpc.aio.insecure_channel(f"unix://{path}", options=_OPTIONS)
        self._slots = asyncio.Semaphore(_UNDER_WAY)
        self._methods: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}
        self._errors = errors

    async def call(
        self,
        method: str,
        request: Message | None,
        reply: type[Reply],
        *,
        namespace: str | None = None,
        listing: bool = False,
    ) -> Reply:
        """Make one call; `namespace` is containerd's, a `listing` may take longer. Raises CallError."""
        seconds = LIST_SECONDS if listing else CALL_SECONDS
        stub = self._methods.get(method)
        if stub is None:
            stub = self._methods[method] = self._channel.unary_unary(method)
        data = b"" if request is None else request.SerializeToString()
        async with self._slot(method, seconds):
            answer = await stub(data, timeout=seconds, metadata=_metadata(namespace))
            return reply.FromString(answer)

    async def stream(
        self, method: str, request: Message, reply: type[Reply], *, namespace: str
    ) -> AsyncIterator[Reply]:
        """Make one call that is answered in parts. Raises CallError."""
        seconds = CALL_SECONDS
        async with self._slot(method, seconds):
            stub: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(method)
            call = stub(request.SerializeToString(), timeout=seconds, metadata=_metadata(namespace))
            try:
                async for part in call:
                    yield reply.FromString(part)
            finally:
                call.cancel()

    async def close(self) -> None:
        """Let go of the channel; calls under way fail as "unavailable"."""
        await self._channel.close()

    @asynccontextmanager
    async def _slot(self, method: str, seconds: float) -> AsyncIterator[None]:
        """Wait for a place among the calls under way, and name what fails."""
        try:
            async with self._slots:
                yield
        except grpc.aio.AioRpcError as error:
            failure = _FAILURES.get(error.code(), Failure.OTHER)
            detail = f"{method}: {error.details() or error.code().name}"
            if failure is Failure.HUNG:
                detail = f"{method}: no answer within {seconds:g} s"
            raise self._counted(failure, detail) from None
        except asyncio.CancelledError:
            # grpc.aio cancels the waiter too when its channel is closed under a call; that is not somebody stopping us.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise self._counted(Failure.UNAVAILABLE, f"{method}: the socket has gone") from None
        except DecodeError as error:
            raise self._counted(Failure.MALFORMED, f"{method}: {error}") from None
        except grpc.aio.UsageError:
            raise self._counted(Failure.UNAVAILABLE, f"{method}: the channel is closed") from None

    def refuse(self, method: str, message: str, failure: Failure = Failure.MALFORMED) -> CallError:
        """Count an answer that came and says what cannot be, and return the error to raise."""
        return self._counted(failure, f"{method}: {message}")

    def _counted(self, failure: Failure, detail: str) -> CallError:
        if failure is not Failure.NOT_FOUND:
            self._errors[failure] += 1
        return CallError(failure, detail[:_DETAIL])


_DETAIL: Final = 300


def _metadata(namespace: str | None) -> tuple[tuple[str, str], ...] | None:
    return None if namespace is None else (("containerd-namespace", namespace),)
