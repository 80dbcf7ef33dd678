"""What can be tuned: speed, periods, and the quirks Adobe's documentation leaves open."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt


class Model(BaseModel):
    """A document from outside: unknown keys are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class Omission(Model):
    """Pairs that are left out of the answer of an ad-hoc call.

    ``flow_id`` and ``audience_id`` null match any; ``run`` says whether the run is created all the same;
    ``times`` how many pairs are left out (null = no end).
    """

    flow_id: str | None = None
    audience_id: str | None = None
    run: bool = True
    times: int | None = None


class Settings(Model):
    """All settings. Seconds marked "nominal" are divided by ``speed``; the others are real seconds."""

    speed: PositiveFloat = 60.0
    """Shortens durations; timestamps stay wall clock."""
    random_seed: int = 7
    """Decides the variation of run durations."""
    run_seconds: NonNegativeFloat = 300.0
    """Nominal duration of a flow run."""
    run_variation: float = Field(default=0.2, ge=0, lt=1)
    """Share by which a run's duration varies."""
    young_seconds: NonNegativeFloat = 20.0
    """Nominal; for so long a new run shows no record counts, hence no audience."""
    export_seconds: NonNegativeFloat = 2400.0
    """Nominal duration of an export job."""
    token_seconds: PositiveInt = 86399
    """Real life of an access token."""
    clock_skew_seconds: float = 0.0
    """AEP's clock minus the client's."""
    forms: Literal["documented", "older"] = "documented"
    """Where AEP's documents have two forms: error bodies of Flow Service and ups; nulls or missing parts in young runs;
    ``partialSuccess`` of a flow's last run; the full stop behind a conflict's run id; a source flow's properties."""
    first_hour_seconds: NonNegativeFloat = 3600.0
    """Real; a freshly mapped audience is refused for so long."""
    max_pairs: PositiveInt = 80
    """Documented: 80 audiences per job. Whether that counts audiences or (flow, audience) pairs is not
    documented; pairs is the stricter reading."""
    default_page_size: PositiveInt = 20
    """Page of runs and flows without ``limit``. Adobe documents no number."""
    max_page_size: PositiveInt = 100
    """Documented for destinations: at most 100 a page."""
    audience_word: Literal["audience", "segment"] = "audience"
    """Word in "Run already going on for …": older editions say "segment"."""
    conflict_scope: Literal["audience", "pair"] = "audience"
    """The guardrail forbids two jobs for one *audience*, whatever the flow; ``pair`` is the lax reading."""
    order_segment: Literal["system", "external"] = "system"
    """Which id of an imported audience the answer's ``segment`` names (undocumented)."""
    entity_id: Literal["system", "external"] = "system"
    """Which id of an imported audience a run's ``segment:<id>`` names (undocumented)."""
    shared_runs: bool = False
    """True: the pairs of one call and flow share a run (undocumented)."""
    list_ignores_filters: bool = False
    """True: lists of runs and flows ignore ``property=``."""
    bulk_refused: bool = False
    """True: ``property=id==a,b`` is answered 400 with 1443-400."""
    run_404_seconds: NonNegativeFloat = 0.0
    """Nominal; ``GET /runs/{id}`` answers 404 for so long after creation."""
    list_lag_seconds: NonNegativeFloat = 0.0
    """Nominal; for so long a new run is missing from lists."""
    run_not_found: Literal[404, 400] = 404
    """Status for an unknown run; Flow Service also has "not found" as HTTP 400 (1439-400)."""
    partial_400: bool = False
    """True: the good pairs of a bad ad-hoc call are activated although the answer is a 400."""
    omit_from_order: list[Omission] = Field(default_factory=list)
    """Pairs dropped from the answer of an ad-hoc call."""
    status_url_base: str | None = None
    """Scheme and host of ``statusURL``; null = those the client called. Adobe's sample shows
    ``https://platform.adobe.io``."""
    send_request_id: bool = True
    """Send ``x-request-id`` on responses (undocumented)."""
    daily_export: bool = False
    """True: a scheduled export job starts by itself 24 hours after the last one."""

    @property
    def documented(self) -> bool:
        """Whether the forms of Adobe's present documents are played."""
        return self.forms == "documented"

    def real(self, nominal_seconds: float) -> float:
        """Return how many real seconds a nominal duration takes."""
        return nominal_seconds / self.speed

    def changed(self, changes: dict[str, object]) -> Settings:
        """Return settings with some values replaced, validated."""
        return Settings.model_validate({**self.model_dump(), **changes})
