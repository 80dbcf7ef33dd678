"""What a process of Airflow sees of the world, simulated: its clocks, its event loop, its hooks.

Whatever a process learns passes :meth:`Surroundings.ask`. So a process may be frozen at any moment and go on later:
it is run again with the answers that it has had, without effects, and then lives on.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

from tests.support.memory_aep import Crash, MemoryAep
from tests.support.parts import settings

T = TypeVar("T")
CONNECTION = settings()


class Freeze(BaseException):
    """The process stands still from here on."""


@dataclass(slots=True)
class Fault:
    """What happens to a process at its n-th moment: before or after a request, a store write, an XCom.

    :param kind: ``crash``; ``freeze``; ``kill`` (it is told to end, and dies ``then`` moments later);
        ``write_fails`` and ``write_unheard`` (the n-th store write, without or with effect).
    """

    kind: str = ""
    at: int = 0
    then: int = 0


@dataclass(slots=True)
class Process:
    """A process and all that it has learnt.

    :param replies: (whether it is a value, the value or the error); kept only where the process may stand still.
    """

    fault: Fault
    replies: list[tuple[bool, Any]] = field(default_factory=list)
    cursor: int = 0
    keeps: bool = False
    gone: BaseException | None = None
    moments: int = 0
    writes: int = 0
    on_kill: Callable[[], None] = lambda: None


class Surroundings:
    """The world of one process at a time.

    :param aep: it has the only clock.
    """

    def __init__(self, aep: MemoryAep) -> None:
        self.aep = aep
        self.process: Process | None = None
        self.ids = 0
        self.skew = 0.0

    def ask(self, look: Callable[[], T]) -> T:
        """Look at the world, or remember what the process has seen."""
        process = self.process
        if process is None:
            return look()
        if process.gone is not None:
            raise process.gone  # what is cleaned up after its death has no effect
        if process.cursor < len(process.replies):
            known, value = process.replies[process.cursor]
            process.cursor += 1
            if not known:
                raise value
            return value
        known, value = True, None
        try:
            value = look()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is remembered
            known, value = False, error
        if process.keeps:
            process.replies.append((known, value))
            process.cursor += 1
        if not known:
            raise value
        return value

    def moment(self) -> None:
        """Let happen what is to happen to the process now."""
        process = self.process
        if process is None or process.cursor < len(process.replies):
            return
        process.moments += 1
        fault = process.fault
        if fault.kind == "kill" and process.moments == fault.at:
            process.on_kill()
        due = fault.at + (fault.then if fault.kind == "kill" else 0)
        if process.moments == due and fault.kind in ("crash", "kill"):
            process.gone = Crash()
        if process.moments == due and fault.kind == "freeze":
            process.gone = Freeze()
        if process.gone is not None:
            raise process.gone

    def act(self, effect: Callable[[], T]) -> T:
        """Do something that a crash may precede or follow."""
        self.moment()
        value = self.ask(effect)
        self.moment()
        return value

    def write(self, effect: Callable[[], None]) -> None:
        """Write to a store, which may fail."""

        def attempt() -> None:
            process = self.process
            hit = False
            if process is not None and process.fault.kind in ("write_fails", "write_unheard"):
                process.writes += 1
                hit = process.writes == process.fault.at
            if not hit or (process is not None and process.fault.kind == "write_unheard"):
                effect()
            if hit:
                raise store_error(500)

        self.act(attempt)

    def new_id(self) -> SimpleNamespace:
        self.ids += 1
        return SimpleNamespace(hex=f"id-{self.ids}")


def store_error(status: int) -> Exception:
    """Return what Airflow raises in a task whose call of the API server failed."""
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse

    return AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": status}))


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop whose time is the world's: it sleeps by letting that pass."""

    def __init__(self, world: Surroundings) -> None:
        super().__init__()
        self._world = world
        self._selector = SimpleNamespace(select=self._select)

    def time(self) -> float:
        process = self._world.process
        if process is not None and process.gone is not None:
            return self._world.aep.now
        return self._world.ask(lambda: self._world.aep.now)

    def _select(self, timeout: float | None) -> tuple[()]:
        if timeout is None:
            raise AssertionError("the event loop waits for something that never comes")
        if timeout > 0:
            # A thousandth more, lest rounding leaves the timer just short of due.
            self._world.ask(lambda: self._world.aep.advance(timeout + 0.001))
        return ()

    def _asyncgen_firstiter_hook(self, agen: object) -> None:
        pass

    def _asyncgen_finalizer_hook(self, agen: object) -> None:
        pass

    def _process_events(self, events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(self, executor: object, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - as a thread would hand it on
            future.set_exception(error)
        return future


class _Silent:
    """A logger of which nobody reads anything."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


SILENT = _Silent()


class Surrounded:
    """The package's modules, looking at a world in place of the machine; :attr:`world` may be exchanged."""

    world: Surroundings

    def run(self, main: Any, **_: Any) -> Any:
        """Stand in for ``asyncio.run``."""
        loop = SimulatedLoop(self.world)
        try:
            asyncio.events._set_running_loop(None)
            return loop.run_until_complete(main)
        finally:
            loop._ready.clear()
            loop._scheduled.clear()
            loop.close()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put the world in place of clocks, event loops and hooks in all modules of the package."""
        from airflow.providers.standard.operators.hitl import HITLOperator
        from airflow.sdk.bases.operator import ExecutorSafeguard
        from airflow.sdk.definitions._internal.abstractoperator import AbstractOperator
        from airflow.sdk.definitions._internal.logging_mixin import LoggingMixin as SdkLogging
        from airflow.utils.log.logging_mixin import LoggingMixin

        from adobe_experience_platform import hooks
        from adobe_experience_platform.aep import transport
        from adobe_experience_platform.hooks import metrics
        from adobe_experience_platform.operators import base, plan, report
        from adobe_experience_platform.triggers import base as triggers_base
        from adobe_experience_platform.triggers import polling

        this = self

        class Meta(type):
            def __instancecheck__(cls, item: object) -> bool:
                return isinstance(item, dt.datetime)

        class Datetime(dt.datetime, metaclass=Meta):
            @classmethod
            def now(cls, tz: Any = None) -> dt.datetime:  # type: ignore[override]
                return this.world.ask(lambda: this.world.aep.clock(this.world.skew))

        def monotonic(*_: object) -> float:
            return this.world.ask(lambda: this.world.aep.now)

        shims = {
            "dt": (dt, SimpleNamespace(**{**vars(dt), "datetime": Datetime})),
            "time": (
                time,
                SimpleNamespace(
                    **{**vars(time), "monotonic": monotonic, "time": monotonic, "clock_gettime": monotonic}
                ),
            ),
            "uuid": (uuid, SimpleNamespace(uuid4=lambda: this.world.ask(this.world.new_id))),
        }

        class Hook:
            settings = CONNECTION

            def __init__(self, *_: object) -> None:
                pass

            def call(self, call: Any) -> Any:
                return this.world.aep.call(call)

        class AsyncHook(Hook):
            async def settings(self) -> Any:  # type: ignore[override]
                return CONNECTION

            async def call(self, call: Any) -> Any:
                return this.world.aep.call(call)

            async def __aenter__(self) -> AsyncHook:
                return self

            async def __aexit__(self, *_: object) -> None:
                pass

        def ask_a_person(operator: Any, context: Any) -> None:
            operator.defer(trigger=None, method_name="execute_complete")

        with _patches() as replace:
            for name, module in list(sys.modules.items()):
                if name.startswith("adobe_experience_platform"):
                    for attribute, (real, shim) in shims.items():
                        if getattr(module, attribute, None) is real:
                            replace(module, attribute, shim)
                    if getattr(module, "asyncio", None) is asyncio:
                        replace(module, "asyncio", SimpleNamespace(**{**vars(asyncio), "run": self.run}))
                    if hasattr(module, "WorkerHook") and not hasattr(module, "__path__"):
                        replace(module, "WorkerHook", Hook)
            replace(hooks, "WorkerHook", Hook)
            replace(base.AepTask, "connection", CONNECTION)
            replace(triggers_base, "_load", lambda _: SimpleNamespace(AdobeExperiencePlatformAsyncHook=AsyncHook))
            replace(HITLOperator, "execute", ask_a_person)
            replace(metrics, "_emit", lambda *_, **__: None)
            replace(transport, "backoff", lambda attempt: float(attempt))
            replace(ExecutorSafeguard, "test_mode", True)
            # Seldom looks: the model is about what is seen, not how soon.
            replace(polling, "SHORTEST_PAUSE", 20.0)
            for module in (plan, report):
                replace(module, "table", lambda *_, **__: [])
            for mixin in (AbstractOperator, SdkLogging, LoggingMixin):
                replace(mixin, "log", property(lambda _: SILENT))
            yield


@contextmanager
def _patches() -> Iterator[Callable[[Any, str, Any], None]]:
    running: list[Any] = []

    def replace(where: Any, name: str, value: Any) -> None:
        patch = mock.patch.object(where, name, value, create=True)
        patch.start()
        running.append(patch)

    try:
        yield replace
    finally:
        for patch in reversed(running):
            patch.stop()


SURROUNDED = Surrounded()
