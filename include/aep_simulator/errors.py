"""The error bodies of AEP's services: each has a shape of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .entities import Json

IMS_PREFIX = "/ims/"


@dataclass(eq=False)
class ApiError(Exception):
    """An error answer."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)


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

    def error(self, status: int, text: str) -> ApiError:
        """Return an error in the service's own shape."""
        return ApiError(status, self.error_body(status, text))

    def error_body(self, status: int, text: str) -> Json:
        """Return the body of an error in the service's own shape.

        Flow Service's ``errorMessage`` and the ad-hoc call's ``message`` are documented. Profile and
        Segmentation (ups) document their shape for throttling only, with numbers as texts; that they use
        it elsewhere, without ``retryAfterMs``, is unconfirmed. The sandbox service's shape is unknown.
        """
        if self is AepService.FLOW_SERVICE:
            return {"errorMessage": text}
        if self is AepService.UPS:
            body: Json = {"message": text, "cause": text, "statusCode": str(status)}
            return {**body, "retryAfterMs": "500"} if status == 429 else body
        return {"message": text}


def error_body(path: str, status: int, text: str) -> Json:
    """Return the body of an error in the shape of the service that a path belongs to."""
    if path.startswith(IMS_PREFIX):
        return {"error": text.lower().replace(" ", "_"), "error_description": text}
    service = AepService.of(path)
    return {"message": text} if service is None else service.error_body(status, text)
