"""What an error says."""

from __future__ import annotations

import pytest

from adobe_experience_platform.errors import AepCallError, AepInputError


def test_an_error_says_call_status_code_text_request_and_advice():
    error = AepCallError(
        "GET /flows/{id}", status=403, code="403025", text="Profile is not valid", request_id="r1", advice="check"
    )
    assert str(error) == ("GET /flows/{id} failed with HTTP 403 [403025]: Profile is not valid (request id r1) → check")
    assert str(AepCallError("GET /flows/{id}")) == "GET /flows/{id} failed."


@pytest.mark.parametrize(("faults", "said"), [(["a"], "1 fault found"), (["a", "b"], "2 faults found")])
def test_all_faults_of_an_input_are_listed(faults, said):
    text = str(AepInputError(faults))
    assert said in text
    assert "sent" not in text, "an earlier try may have"
    assert all(f"  - {fault}" in text for fault in faults)
