"""The error bodies of AEP's services: each has a shape of its own, some a documented one and an older one."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus

from .entities import Json

IMS_PREFIX = "/ims/"


@dataclass(eq=False)
class ApiError(Exception):
    """An error answer; one without a body is worded by its service.

    :param about: the id that the error is about.
    """

    status: int
    body: Json | None = None
    headers: dict[str, str] = field(default_factory=dict)
    service: AepService | None = None
    text: str = ""
    about: str = ""

    def json(self, *, documented: bool) -> Json:
        """Return the body."""
        if self.body is not None or self.service is None:
            return self.body or {}
        return self.service.error_body(self.status, self.text, documented=documented, about=self.about)


def gateway_error(code: int, text: str) -> ApiError:
    """Return an error of the gateway; its first three digits are the HTTP status."""
    return ApiError(int(str(code)[:3]), {"error_code": str(code), "message": text})


def ims_error(error: str, description: str, status: int = 400) -> ApiError:
    """Return an error of IMS, in the shape of OAuth 2; public clients report HTTP 400 for all of them."""
    return ApiError(status, {"error": error, "error_description": description})


class AepService(Enum):
    """An AEP service behind the gateway."""

    ACTIVATION = "/data/core/activation/disflowprovider"
    UPS = "/data/core/ups"
    FLOW_SERVICE = "/data/foundation/flowservice"
    SANDBOXES = "/data/foundation/sandbox-management"

    @classmethod
    def of(cls, path: str) -> AepService | None:
        """Return the service a path belongs to."""
        return next((service for service in cls if path.startswith(service.value)), None)

    def error(self, status: int, text: str, about: str = "") -> ApiError:
        """Return an error in the service's own shape.

        :param about: the id that the error is about.
        """
        return ApiError(status, service=self, text=text, about=about)

    def error_body(self, status: int, text: str, *, documented: bool, about: str = "") -> Json:
        """Return the body of an error in the service's own shape.

        Both forms of Flow Service are documented, so are ``message`` of the ad-hoc call and the two forms of Profile
        and Segmentation (ups), though for other calls of it; how it throttles is documented in one form only. That an
        older text begins with its code is unconfirmed. The sandbox service's shape is unknown.
        """
        if self is AepService.FLOW_SERVICE:
            return _flow_service(status, text, about) if documented else {"errorMessage": text}
        if self is AepService.UPS:
            if documented and status != HTTPStatus.TOO_MANY_REQUESTS:
                return _segmentation(status, text)
            body: Json = {"message": text, "cause": text, "statusCode": str(status)}
            return {**body, "retryAfterMs": "500"} if status == HTTPStatus.TOO_MANY_REQUESTS else body
        return {"message": text}


_CODED = re.compile(r"(\d{4}-\d{3}): (.*)", re.DOTALL)
_FLOW_CODES = {403: "2120-403", 404: "1439-404", 500: "1102-500", 503: "1103-503", 504: "1104-504"}
"""What Flow Service's error table says of a status, where the error has no code of its own."""
_NAMESPACE = "https://ns.adobe.com/aep/errors/"


def title_of(status: int) -> str:
    """Return the title of an error: Flow Service's own word for 404, else HTTP's."""
    known = {status.value: status.phrase for status in HTTPStatus} | {404: "Resource not found"}
    return known.get(status, "Error")


def _flow_service(status: int, text: str, about: str) -> Json:
    found = _CODED.fullmatch(text)
    code, said = (found[1], found[2]) if found else (_FLOW_CODES.get(status), text)
    report: Json = {"detailed-message": said, "request-id": uuid.uuid4().hex}
    if about:
        kind, _, ident = about.partition("/")
        report |= {"id": ident, "type": kind}
    kind_of_error: Json = {"type": f"{_NAMESPACE}FLOW-{code}"} if code else {}
    title = {"title": title_of(status), "status": status}
    return {**kind_of_error, **title, "report": report, "errorMessage": said, "errorDetails": said}


def _segmentation(status: int, text: str) -> Json:
    """Return an error keyed by HTTP status; a code of its own is documented for 404 only."""
    kind: Json = {"type": f"{_NAMESPACE}UPAPI-113430-404"} if status == HTTPStatus.NOT_FOUND else {}
    errors = {str(status): [{"code": status, "message": text}]}
    return {"requestId": uuid.uuid4().hex, "errors": errors, **kind, "title": text, "status": status}


def error_body(path: str, status: int, text: str, *, documented: bool) -> Json:
    """Return the body of an error in the shape of the service that a path belongs to."""
    if path.startswith(IMS_PREFIX):
        return {"error": text.lower().replace(" ", "_"), "error_description": text}
    service = AepService.of(path)
    return {"message": text} if service is None else service.error_body(status, text, documented=documented)
