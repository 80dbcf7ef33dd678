"""The web application that serves the pages' files, and says whether a visitor may start a delivery."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_access_view
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What is served; other files (licences) are only shipped."""

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'self'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # A browser may keep the files, but asks each time: after an upgrade nobody runs a mixture of old and new.
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie, Authorization",
}


def create_app() -> FastAPI:
    """Build the application.

    A mounted application inherits no rights from Airflow's, so each request has to prove them here: 401 without a
    session, 403 without the right to see plugins (without which Airflow's UI does not offer the pages either). Static
    file mounts skip such checks; routes do not. There is no API but one answer, and so no API documentation.
    """
    app = FastAPI(
        title="Adobe Experience Platform",
        dependencies=[Depends(requires_access_view(AccessView.PLUGINS))],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    files = read_files(STATIC)
    check_trigger = requires_access_dag("POST", DagAccessEntity.RUN)

    @app.get("/may-trigger/{dag_id}")
    def may_trigger(dag_id: str, request: Request, user: GetUserDep) -> Response:
        """Say whether the visitor may start runs of a DAG: none of Airflow's endpoints does, short of starting one."""
        try:
            check_trigger(request, user)
        except HTTPException:
            return JSONResponse({"dag_id": dag_id, "may_trigger": False}, headers=HEADERS)
        return JSONResponse({"dag_id": dag_id, "may_trigger": True}, headers=HEADERS)

    @app.get("/{name:path}")
    def serve(name: str, if_none_match: Annotated[str | None, Header()] = None) -> Response:
        """Serve one of the files that were there when the API server started; no path reaches the disk."""
        if name not in files:
            raise HTTPException(404, "This page does not exist.", headers=HEADERS)
        content, media_type, etag = files[name]
        headers = {**HEADERS, "ETag": etag}
        if if_none_match == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return app


def read_files(folder: Path) -> dict[str, tuple[bytes, str, str]]:
    """Return {path below the folder: (content, media type, ETag)}; pages are known without their suffix."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in MEDIA_TYPES and path.is_file():
            content = path.read_bytes()
            name = path.relative_to(folder).as_posix().removesuffix(".html")
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            files[name] = (content, MEDIA_TYPES[path.suffix], etag)
    return files
