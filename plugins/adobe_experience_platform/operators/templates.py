"""How the tasks' arguments are rendered and read: one way, whatever a DAG's ``render_template_as_native_obj`` says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from adobe_experience_platform.aep import short_repr
from adobe_experience_platform.delivery import (
    given_collection,
    given_id,
    given_info,
    given_list,
    given_time,
    given_truth,
)
from adobe_experience_platform.errors import AepInputError

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context


JINJAS = re.compile(r"[{\r\n]")
"""What text has that Jinja makes something else of, unless a DAG has set signs of its own."""


def _mapping(value: Any, name: str) -> Mapping[str, Any] | None:
    found = given_collection(value)
    if found is None or isinstance(found, Mapping):
        return found
    raise AepInputError([f"{name} is {short_repr(value)}: enter a mapping, or a template that renders to one"])


def _briefing(value: Any, name: str) -> Mapping[str, Any] | None:
    found = _mapping(value, name)
    if found is not None and not isinstance(found.get("settings"), Mapping):
        raise AepInputError([f"{name} is {short_repr(value)}: pass the XCom briefing of plan_jobs"])
    return found


def _list(value: Any, _: str) -> Any:
    found = given_collection(value)
    return found if (listed := given_list(found)) is None else listed


READINGS: dict[str, Callable[[Any, str], Any]] = {
    "activation_info": lambda value, _: given_info(value),
    **dict.fromkeys(("jobs", "orders"), _list),
    **dict.fromkeys(("job", "settings", "names", "campaign_day"), _mapping),
    "briefing": _briefing,
    "export_job_id": given_id,
    "since": given_time,
    **dict.fromkeys(("flow", "audience"), partial(given_id, names=True)),
    "wait_for_completion": lambda value, name: given_truth(value, name, default=False),
    "resend_failed": lambda value, name: given_truth(value, name, default=True),
}
"""Argument → how what Airflow hands over becomes its value; :class:`~.settings.DeliverySettings` reads the settings."""


class TypedTemplates(BaseOperator):
    """A task whose templates keep the type of what they name: ``"{{ params.info }}"`` is the mapping itself.

    Airflow's own two ways lose it: one makes text of everything, the other evaluates whatever looks like a literal, so
    that the ids ``"1e5"`` and ``"None"`` become something else.
    """

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render text here, and collections of text as Airflow does."""
        if not isinstance(content, str) or id(content) in (seen_oids or ()):
            return super().render_template(content, context, jinja_env, seen_oids)
        has_own_signs = getattr(self, "_dag", None) and self.dag.jinja_environment_kwargs
        if not has_own_signs and not JINJAS.search(content):
            return content  # most arguments: compiling each would cost a task milliseconds
        return self._typed_env.from_string(content).render(context)

    @property
    def _typed_env(self) -> jinja2.Environment:
        # load time: a process that only parses DAG files needs no Jinja
        from airflow.sdk.definitions._internal.templater import SandboxedEnvironment
        from jinja2 import pass_context
        from jinja2.nativetypes import NativeCodeGenerator

        env: Any = (
            self.dag.get_template_env(force_sandboxed=True) if getattr(self, "_dag", None) else SandboxedEnvironment()
        )
        env.code_generator_class = NativeCodeGenerator
        env.concat = _concat
        # One that asks for the context keeps Jinja from making text of constants: "{{ none }}" is None.
        env.finalize = pass_context(lambda _, value: value)
        return env  # type: ignore[no-any-return]

    def given(self, name: str) -> Any:
        """Return what an argument says, read by its declared type; None if not given, an AepInputError if unusable."""
        return READINGS[name](getattr(self, name), name)


def _concat(parts: Iterable[Any]) -> Any:
    """Return the value of a template that is one expression, otherwise text."""
    found = list(parts)
    if len(found) == 1 and not isinstance(found[0], str) and type(found[0]).__module__ != "jinja2.runtime":
        return list(found[0]) if isinstance(found[0], Iterator) else found[0]
    return "".join(map(str, found))  # an undefined name raises here, if the DAG says so
