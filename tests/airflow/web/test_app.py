"""What is served, to whom, and under which policy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from adobe_experience_platform.plugin import PREFIX, AepPlugin
from tests.airflow.web.conftest import Client

STATIC = Path(__file__).parents[3] / "plugins" / "adobe_experience_platform" / "web" / "static"
PAGES = ("activation", "activations", "deliver")
FILES = sorted(
    path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.suffix in (".js", ".css", ".svg")
)


@pytest.mark.parametrize("user", ["admin", "viewer", "one"])
def test_who_may_see_plugins_gets_the_pages(as_user: Client, user: str) -> None:
    for page in PAGES:
        answer = as_user(user).get(f"{PREFIX}/{page}?dag_id=a&run_id=b")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert as_user(user, bearer=True).get(f"{PREFIX}/activation").status_code == 200


def test_a_user_without_the_role_gets_nothing(as_user: Client) -> None:
    for name in (*PAGES, *FILES, "nothing"):
        assert as_user("nobody").get(f"{PREFIX}/{name}").status_code == 403


def test_nobody_gets_anything_without_a_session(as_user: Client) -> None:
    for name in (*PAGES, *FILES, "", "nothing", "docs", "redoc", "openapi.json"):
        answer = as_user().get(f"{PREFIX}/{name}")
        assert answer.status_code == 401, name
        assert "<script" not in answer.text


def test_a_forged_session_gets_nothing(as_user: Client) -> None:
    client = as_user()
    client.cookies.set("_token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.")

    assert client.get(f"{PREFIX}/activation").status_code in (401, 403)


@pytest.mark.parametrize("name", ["docs", "redoc", "openapi.json", "docs/oauth2-redirect", "activation.html"])
def test_there_are_no_api_documents(as_user: Client, name: str) -> None:
    assert as_user("admin").get(f"{PREFIX}/{name}").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(as_user: Client, method: str) -> None:
    assert as_user("admin").request(method, f"{PREFIX}/activation").status_code == 405


@pytest.mark.parametrize(
    "name",
    ["..%2fapp.py", "js/..%2f..%2fapp.py", "..%5capp.py", "/etc/passwd", "%2fetc%2fpasswd", "js", "vendor/"],
)
def test_no_path_leads_out_of_the_folder(as_user: Client, name: str) -> None:
    answer = as_user("admin").get(f"{PREFIX}/{name}")

    assert answer.status_code == 404
    assert "create_app" not in answer.text


def test_every_answer_has_the_policy(as_user: Client) -> None:
    for name in (*PAGES, *FILES, "nothing"):
        headers = as_user("viewer").get(f"{PREFIX}/{name}").headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == "'self'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "no-cache" in headers["cache-control"]


def test_files_are_sent_again_only_when_they_changed(as_user: Client) -> None:
    client = as_user("viewer")
    first = client.get(f"{PREFIX}/js/dom.js")
    again = client.get(f"{PREFIX}/js/dom.js", headers={"If-None-Match": first.headers["etag"]})

    assert first.status_code == 200
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_only_what_is_served_with_it(page: str) -> None:
    text = (STATIC / f"{page}.html").read_text()
    wanted = re.findall(r'(?:href|src)="([^"]+)"', text)

    assert wanted
    assert set(wanted) <= set(FILES)
    assert not re.search(r"<script>|style=|\son\w+=", text)


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("js/")])
def test_our_scripts_never_parse_html(name: str) -> None:
    text = (STATIC / name).read_text()

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc", text)
    for imported in re.findall(r'from "\./([^"]+)"', text):
        assert f"js/{imported}" in FILES
    known = {"https://experience.adobe.com/", "http://www.w3.org/2000/svg"}
    assert set(re.findall(r"https?://[^\s\"'`]+", text)) <= known


def test_the_chart_library_comes_with_its_licence() -> None:
    folder = STATIC / "vendor" / "chart.js"

    assert "MIT License" in (folder / "LICENSE.md").read_text()
    assert (folder / "chart.umd.min.js").read_text().startswith("/*!\n * Chart.js v4.")


def test_the_pages_are_where_airflows_ui_finds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://data.example.com/team/airflow/")
    views = {view["name"]: view for view in AepPlugin().external_views}

    base = f"/team/airflow{PREFIX}"
    assert views["Activation"]["destination"] == "dag_run"
    assert views["Activation"]["href"] == f"{base}/activation?dag_id={{DAG_ID}}&run_id={{RUN_ID}}"
    assert views["Activations"]["destination"] == "nav"
    assert views["Activations"]["href"] == f"{base}/activations"
    assert views["Deliver"]["destination"] == "nav"
    assert views["Deliver"]["url_route"] == "aep-deliver"
    assert views["Deliver"]["href"] == f"{base}/deliver"
    assert [view["name"] for view in AepPlugin().external_views] == ["Activation", "Activations", "Deliver"]


def test_the_web_code_is_not_loaded_outside_the_api_server() -> None:
    code = (
        "import sys; from airflow import plugins_manager as p;"
        "p.ensure_plugins_loaded(); p.integrate_macros_plugins();"
        "names = [x.name for x in p._get_plugins()[0]]; assert 'adobe_experience_platform' in names, names;"
        "heavy = ('adobe_experience_platform.web', 'airflow.api_fastapi.core_api');"
        "bad = [m for m in sys.modules if m.startswith(heavy)];"
        "assert not bad, bad; p.get_fastapi_plugins(); assert 'adobe_experience_platform.web.app' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
