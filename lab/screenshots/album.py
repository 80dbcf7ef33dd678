"""The pictures: which page, in which size and colours, and what must be visible before it is taken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, FrameLocator, Page, expect

from include.aep_simulator.shop import audience_id, flow_id
from lab.browser import visitor
from lab.screenshots.play import APPROVAL, APPROVAL_DAG, DONE, ORDERS, PARTLY, REFUSED, RUNNING, info
from tools.demo import ACTIVATION_DAG

WIDE, TALL, PHONE = (1280, 800), (1280, 1000), (400, 900)
PATIENCE = 30_000


class Album:
    """Takes the pictures.

    :param chromium: the browser
    :param url: of Airflow
    :param token: of a user who may do everything
    :param folder: that the pictures are put into
    """

    def __init__(self, chromium: Browser, url: str, token: str, folder: Path) -> None:
        self._chromium = chromium
        self._url = url
        self._token = token
        self._folder = folder
        self._taken: list[Path] = []

    def take(self) -> list[Path]:
        """Take them all, and return their files."""
        expect.set_options(timeout=PATIENCE)
        self._deliver("deliver", size=TALL)
        self._deliver("deliver-dark", size=TALL, dark=True)
        self._deliver("deliver-phone", size=PHONE)
        self._tab("activation-done", DONE, "Delivered", size=TALL)
        self._tab("activation-running", RUNNING, "AEP is delivering")
        self._tab("activation-failed", PARTLY, "FAILED", size=TALL)
        self._tab("activation-failed-dark", PARTLY, "FAILED", size=TALL, dark=True)
        self._tab("activation-refused", REFUSED, "nothing was sent")
        self._tab("activation-approval", APPROVAL, "Waiting for approval", dag_id=APPROVAL_DAG)
        self._alone("activation-phone", f"activation?dag_id={ACTIVATION_DAG}&run_id={RUNNING}", size=PHONE)
        self._list("activations", size=(1280, 1250))
        self._list("activations-dark", size=(1280, 1250), dark=True)
        self._alone("activations-phone", "activations", size=PHONE)
        self._approval()
        self._trigger_form()
        self._connection_form()
        self._task_log()
        self._link()
        return self._taken

    def _tab(
        self,
        name: str,
        run_id: str,
        title: str,
        *,
        dag_id: str = ACTIVATION_DAG,
        size: tuple[int, int] = WIDE,
        dark: bool = False,
    ) -> None:
        with self._page(name, size, dark) as page:
            page.goto(f"/dags/{dag_id}/runs/{run_id}/plugin/aep-activation")
            frame = page.frame_locator('iframe[title="Activation"]')
            expect(frame.get_by_role("heading", level=1)).to_contain_text(title)
            _settled(page, frame)

    def _deliver(self, name: str, *, size: tuple[int, int], dark: bool = False) -> None:
        with self._page(name, size, dark) as page:
            page.goto("/adobe-experience-platform/deliver" if size == PHONE else "/plugin/aep-deliver")
            place = page if size == PHONE else page.frame_locator('iframe[title="Deliver"]')
            for flow, audiences in ORDERS[DONE].items():
                for audience in audiences:
                    ids = f'[data-flow-id="{flow_id(flow)}"][data-audience-id="{audience_id(audience)}"]'
                    place.locator(ids).check()
            if size != PHONE:
                place.get_by_test_id("deliver-check").click()
                expect(place.get_by_role("region", name="Check")).to_contain_text("Everything is fine")
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_load_state("networkidle")

    def _list(self, name: str, *, size: tuple[int, int], dark: bool = False) -> None:
        with self._page(name, size, dark) as page:
            page.goto("/plugin/aep-activations")
            frame = page.frame_locator('iframe[title="Activations"]')
            expect(frame.locator("table.runs tbody tr").first).to_be_visible()
            _settled(page, frame)

    def _alone(self, name: str, path: str, *, size: tuple[int, int], dark: bool = False) -> None:
        """Take one of our pages without Airflow's around it, as a phone would hardly show both."""
        with self._page(name, size, dark) as page:
            page.goto(f"/adobe-experience-platform/{path}")
            page.wait_for_load_state("networkidle")
            expect(page.locator("h1").first).to_be_visible()

    def _approval(self) -> None:
        with self._page("approval", TALL) as page:
            page.goto(f"/dags/{APPROVAL_DAG}/runs/{APPROVAL}/tasks/approve/required_actions")
            expect(page.get_by_role("button", name="Approve").first).to_be_visible()

    def _trigger_form(self) -> None:
        with self._page("trigger-form", TALL) as page:
            page.context.grant_permissions(["clipboard-read", "clipboard-write"])
            page.goto(f"/dags/{ACTIVATION_DAG}")
            page.get_by_role("button", name="Trigger").first.click()
            dialog = page.get_by_role("dialog")
            expect(dialog.locator(".monaco-editor").first).to_be_visible()
            page.evaluate("text => navigator.clipboard.writeText(text)", json.dumps(info(ORDERS[DONE]), indent=2))
            dialog.locator(".monaco-editor .view-lines").first.click()
            page.keyboard.press("ControlOrMeta+A")
            page.keyboard.press("ControlOrMeta+V")
            expect(dialog.get_by_role("button", name="Trigger", exact=True)).to_be_enabled()

    def _connection_form(self) -> None:
        with self._page("connection-form", TALL) as page:
            page.goto("/connections")
            row = page.get_by_role("row").filter(has=page.get_by_text("aep_shop", exact=True))
            row.get_by_role("button", name="Test").click()
            expect(page.get_by_text(re.compile("Connected to sandbox"))).to_be_visible()
            row.get_by_role("button", name="Edit").click()
            expect(page.get_by_role("dialog").get_by_label("Client secret")).to_be_visible()

    def _task_log(self) -> None:
        for name, task, text in (("log-report", "report", "records"), ("log-plan", "plan_jobs", "Will deliver")):
            with self._page(name, (1500, 420)) as page:
                page.goto(f"/dags/{ACTIVATION_DAG}/runs/{DONE}/tasks/{task}")
                expect(page.get_by_test_id("virtualized-list").get_by_text(text).first).to_be_visible()
                page.keyboard.press("f")  # Airflow's key for the whole window
                expect(page.get_by_role("dialog").get_by_text(text).first).to_be_visible()

    def _link(self) -> None:
        with self._page("link", WIDE) as page:
            page.goto(f"/dags/{ACTIVATION_DAG}/runs/{DONE}/tasks/wait_for_flow_runs/details")
            expect(page.get_by_text("AEP destination").first).to_be_visible()

    @contextmanager
    def _page(self, name: str, size: tuple[int, int], dark: bool = False) -> Iterator[Page]:
        """Give a page; what it shows at the end is the picture."""
        with visitor(self._chromium, self._url, token=self._token, size=size, dark=dark) as context:
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            path = self._folder / f"{name}.png"
            try:
                yield page
            finally:
                page.screenshot(path=path, animations="disabled", caret="hide")
            self._taken.append(path)


def _settled(page: Page, frame: FrameLocator) -> None:
    """Wait until the frame has got what it asked for, and has drawn it."""
    page.wait_for_load_state("networkidle")
    frame.locator("body").evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 500)))")
