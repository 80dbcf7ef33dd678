"""Waits until flow runs have ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Context, PokeReturnValue

from adobe_experience_platform.aep import DEFAULT_CONN_ID, Activation, Pair
from adobe_experience_platform.delivery import check_id, is_terminal
from adobe_experience_platform.errors import AepInputError, AepTransientError
from adobe_experience_platform.operators import DestinationLink, WatchingTask, now

from .base import AepSensor

DEEPEST = 5
"""Levels of lists in lists of orders: what is nested deeper was not returned by any operator."""


class FlowRunSensor(WatchingTask, AepSensor):
    """Watch flow runs to their end and fail unless every one delivered.

    :param orders: what :class:`~.operators.AdHocActivationOperator` returns (also the nested list of a
        mapped one), or plain run ids. (templated)
    :param aep_conn_id: Airflow connection of type ``adobe_experience_platform``. (templated)
    :param sandbox_name: sandbox; None takes the connection's. (templated)
    :param on_partial_success: ``fail`` (default) or ``accept``. (templated)
    :param on_failed_records: a success that lost or may lack records: ``warn`` (default) or ``fail``. (templated)
    :param activation_timeout_minutes: how long to wait, minutes; default 180. (templated)
    :param poll_interval: longest pause between two polls, seconds; default 30. (templated)
    :param briefing: the XCom ``briefing`` of ``plan_jobs``, instead of settings and ``names``; optional. (templated)
    :param names: id → name, to show names beside ids; optional. (templated)
    :param deferrable: wait in the triggerer (default); if False, as Airflow's ``mode`` says (``poke`` holds a worker
        slot, ``reschedule`` does not).

    Airflow's own ``timeout`` and ``poke_interval``, if given here or in ``default_args``, stand for
    ``activation_timeout_minutes`` and ``poll_interval``.

    Returns ``{"summary": {…counts…}, "results": [{flow_id, audience_id, run_id, status, …}]}``; the XCom
    ``progress`` holds the same while it waits.

    Raises :class:`~.errors.AepDeliveryError` naming each run that failed, is partial or never ended.

    Source: Adobe, Flow Service API, ``GET /runs/{id}``.
    """

    template_fields: Sequence[str] = ("orders", "names", "briefing")
    limited_by = "activation_timeout_minutes"
    operator_extra_links = (DestinationLink(),)

    def __init__(
        self,
        *,
        orders: Any = (),
        aep_conn_id: str = DEFAULT_CONN_ID,
        sandbox_name: str | None = None,
        on_partial_success: str = "fail",
        on_failed_records: str = "warn",
        activation_timeout_minutes: float = 180,
        poll_interval: float = 30,
        names: Any = None,
        briefing: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.orders = orders
        self.aep_conn_id = aep_conn_id
        self.sandbox_name = sandbox_name
        self.on_partial_success = on_partial_success
        self.on_failed_records = on_failed_records
        self.activation_timeout_minutes = activation_timeout_minutes
        self.poll_interval = poll_interval
        self.names = names
        self.briefing = briefing

    def _begin(self, context: Context) -> Any:
        """Watch the runs."""
        deliveries = self._orders()
        if not deliveries:
            raise AepInputError(
                ["orders is empty: pass what AdHocActivationOperator returns"], intro="Nothing to watch."
            )
        if flow_id := deliveries[0].pair.flow_id:
            self._link_to(flow_id)
        if not self.deferrable:
            self._watch_ends(context)  # it begins now, not with the first answer
            return self._poke_on(context)
        return self._verdict(context, self._watch(context, deliveries, {}, look_first=context["ti"].try_number > 1))

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Ask AEP once, for sensors that do not use the triggerer."""
        try:
            results = self._read_results(self._orders(), {})
        except AepTransientError as error:
            self._note_trouble(error)
            if now() >= self._watch_ends(context).at:
                raise
            return False
        self._trouble = ""
        if all(map(is_terminal, results)) or now() >= self._watch_ends(context).at:
            return PokeReturnValue(is_done=True, xcom_value=self._verdict(context, results))
        return False

    def execute_complete(self, context: Context, event: object = None) -> Any:
        """Judge the runs after the trigger; when the time is over, AEP is asked once more."""
        return self._verdict(context, self._watched(context, self._orders(), {}, event))

    def _orders(self) -> list[Activation]:
        return deliveries_of(self.given("orders") or [])


def deliveries_of(orders: Any, *, deepest: int = DEEPEST) -> list[Activation]:
    """Read orders as operators return them: dicts, lists, or run ids alone; nested lists are joined."""
    if isinstance(orders, str) and orders:
        return [_delivery({"run_id": orders})]
    if isinstance(orders, Mapping) and orders.get("run_id"):
        return [_delivery(orders)]
    if isinstance(orders, Sequence) and not isinstance(orders, str | bytes) and deepest > 0:
        return [found for item in orders for found in deliveries_of(item, deepest=deepest - 1)]
    raise AepInputError([f"orders: {type(orders).__name__} is not an order: pass what AdHocActivationOperator returns"])


def _delivery(order: Mapping[str, Any]) -> Activation:
    """Read one order. AEP has checked no id of it yet, and each is shown or becomes part of a URL."""
    names = ["run_id", *(name for name in Pair._fields if order.get(name, "") != "")]
    if faults := [fault for name in names if (fault := check_id(order[name], f"orders: {name}"))]:
        raise AepInputError(faults)
    pair = Pair(order.get("flow_id", ""), order.get("audience_id", ""))
    return Activation(*pair, order["run_id"], bool(order.get("adopted")))
