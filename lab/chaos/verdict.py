"""Whether a delivery was made exactly once, and whether Airflow says what is so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What became of one DAG run.

    :param run_id: of the DAG run
    :param state: of the DAG run when it was last looked at
    :param expected: pair → how often it is to be delivered
    :param counted: pair → how often the simulator counted it
    :param reported: pair → status in the run's report
    :param adopted: pairs whose flow run was found in AEP instead of in an answer
    :param delivered: pairs of which a flow run has ended well
    """

    run_id: str
    state: str
    expected: Mapping[Pair, int]
    counted: Mapping[Pair, int]
    reported: Mapping[Pair, str] = field(default_factory=dict)
    adopted: int = 0
    delivered: frozenset[Pair] = frozenset()

    @property
    def counts(self) -> str:
        """Deliveries per pair, as the table shows them."""
        return " ".join(str(self.counted.get(pair, 0)) for pair in self.expected)

    def problems(self) -> list[str]:
        """Return a sentence for each duplicate, loss, false word and endless run; empty when all is well."""
        found = []
        for pair in sorted({*self.expected, *self.counted}):
            count, wanted = self.counted.get(pair, 0), self.expected.get(pair, 0)
            if count != wanted:
                word = "DUPLICATE" if count > wanted else "LOST"
                found.append(f"{word}: {_named(pair)} was delivered {count} times instead of {wanted}")
        found += [*self._false_words(), *self._vague_words()]
        if self.state not in ("success", "failed"):
            found.append(f"STUCK: the run is {self.state}")
        return [f"{self.run_id}: {text}" for text in found]

    def false_words(self) -> list[str]:
        """Return a sentence for each false word of the report; its run may still be incomplete."""
        return [f"{self.run_id}: {text}" for text in self._false_words()]

    def _false_words(self) -> list[str]:
        found = []
        for pair in self.expected:
            status = self.reported.get(pair, "nothing")
            if self.state == "success" and status != "success":
                found.append(f"FALSE: the run is a success, but reports {status} for {_named(pair)}")
            if status == "success" and not self.counted.get(pair):
                found.append(f"FALSE: {_named(pair)} is reported as delivered and was not")
            if status == "not_sent" and self.counted.get(pair):
                found.append(f"FALSE: {_named(pair)} is reported as not sent and was delivered")
            if status == "failed" and pair in self.delivered:
                found.append(f"FALSE: {_named(pair)} is reported as failed and was delivered")
        return found

    def _vague_words(self) -> list[str]:
        """Return what is said to be unknown at the very end; before it, as after a mark, that is the truth."""
        return [
            f"VAGUE: {_named(pair)} is reported as unknown and was delivered"
            for pair in self.expected
            if self.reported.get(pair) == "unknown" and pair in self.delivered
        ]


def _named(pair: Pair) -> str:
    return f"audience {pair[1]} → flow {pair[0]}"
