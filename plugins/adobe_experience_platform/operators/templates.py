"""How the tasks' arguments are rendered and read: one way, whatever a DAG's ``render_template_as_native_obj`` says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from adobe_experience_platform.delivery import READINGS

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context


JINJAS = re.compile(r"[{\r\n]")
"""What text has that Jinja makes something else of, unless a DAG has set signs of its own."""


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
