"""Airflow's forms, filled in as a person does: by what they see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from playwright.sync_api import Locator, Page, expect


class TriggerForm:
    """The form behind *Trigger* on a DAG's page.

    :param page: of a visitor who may trigger
    :param dag_id: the DAG's
    """

    def __init__(self, page: Page, dag_id: str) -> None:
        self.page = page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"/dags/{dag_id}")
        page.get_by_role("button", name="Trigger").first.click()
        self.dialog = page.get_by_role("dialog")
        self.start = self.dialog.get_by_role("button", name="Trigger", exact=True)
        expect(self.dialog.locator(".monaco-editor").first).to_be_visible()

    def paste(self, text: str) -> None:
        """Paste over what is in *What to deliver*: click, select all, paste."""
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.dialog.locator(".monaco-editor .view-lines").first.click()
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.press("ControlOrMeta+V")

    def section(self, name: str) -> None:
        """Open a section; it closes the one that was open."""
        self.dialog.get_by_role("button", name=name).click()

    def field(self, name: str) -> Locator:
        """Return a number's field of the open section by its title; a required one's title ends with a star."""
        return self.dialog.get_by_role("spinbutton", name=name)

    def text(self, name: str, value: str) -> None:
        """Fill in a text field, whose title only stands beside it."""
        fill(self.dialog, name, value)

    def submit(self) -> tuple[str, str]:
        """Start the run, and return the ids of its DAG and its own."""
        with self.page.expect_response(
            lambda answer: answer.request.method == "POST" and answer.url.endswith("/dagRuns")
        ) as caught:
            self.start.click()
        answer: dict[str, Any] = caught.value.json()
        assert caught.value.ok, answer
        return answer["dag_id"], answer["dag_run_id"]


class ConnectionForm:
    """The form behind *Add Connection*."""

    def __init__(self, page: Page, conn_id: str) -> None:
        self.page = page
        self.conn_id = conn_id
        page.goto("/connections")
        page.get_by_role("button", name="Add Connection").click()
        self.dialog = page.get_by_role("dialog")
        self.dialog.get_by_label("Connection ID").fill(conn_id)
        self.dialog.get_by_role("combobox", name="Connection Type").click()
        page.keyboard.type("Adobe")
        page.keyboard.press("Enter")
        expect(self.dialog.get_by_label("Client secret")).to_be_visible()

    def standard(self, **values: str) -> None:
        """Fill in standard fields, by the beginning of their titles."""
        for name, value in values.items():
            self.dialog.get_by_label(name.replace("_", " ")).fill(value)

    def own_fields(self, values: dict[str, str]) -> None:
        """Fill in the fields of our own."""
        self.dialog.get_by_role("button", name="Extra Fields", exact=True).click()
        for name, value in values.items():
            fill(self.dialog, name, value)

    def touch(self, names: Iterable[str], *, typing: bool) -> None:
        """Click into fields of our own and leave them as they were.

        :param typing: whether something is typed first, and cleared.
        """
        for name in names:
            group = _field(self.dialog, name)
            editor = group.locator(".monaco-editor .view-lines")
            editor.or_(group.get_by_role("spinbutton")).or_(group.get_by_role("textbox")).filter(
                visible=True
            ).first.click()
            if typing:
                self.page.keyboard.type("7")
                self.page.keyboard.press("ControlOrMeta+A")
                self.page.keyboard.press("Delete")
            self.page.keyboard.press("Tab")

    def save(self) -> None:
        """Save, and wait until the list shows it."""
        self.dialog.get_by_role("button", name="Save").click()
        expect(self.dialog).to_be_hidden()
        expect(self.row()).to_be_visible()

    def row(self) -> Locator:
        """Return the connection's row in the list."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_text(self.conn_id, exact=True))


def fill(dialog: Locator, name: str, value: str) -> None:
    """Fill in a text field whose title stands beside it without being its label."""
    _field(dialog, name).get_by_role("textbox").last.fill(value)


def _field(dialog: Locator, name: str) -> Locator:
    title = dialog.page.get_by_text(re.compile(rf"^{re.escape(name)}\s*\*?$"))
    return dialog.get_by_role("group").filter(has=title)


def as_json(value: object) -> str:
    """Write a value as a person pastes it."""
    return json.dumps(value, indent=2)
