from __future__ import annotations

from include.aep_simulator.seed import SeedDocument
from include.aep_simulator.simulator import Simulator
from lab.chaos.verdict import DeliveryOutcome
from lab.distributed import deliveries, paper
from lab.distributed.storm import Felt


def test_deliveries_are_of_mixed_size_and_share_no_audience() -> None:
    drawn = deliveries.draw(50)

    audiences = [audience for one in drawn for _, audience in one.pairs]
    sizes = {len(one.pairs) for one in drawn}
    assert len(drawn) == len({one.run_id for one in drawn}) == 50
    assert len(audiences) == len(set(audiences))
    assert min(sizes) == 1
    assert max(sizes) > 80  # more than one job of AEP


def test_the_simulated_aep_holds_what_they_deliver() -> None:
    drawn = deliveries.draw(12)

    document = deliveries.seed(drawn, run_seconds=40)

    assert Simulator(SeedDocument.model_validate(document)).world
    held = {(flow["id"], audience) for flow in document["flows"] for audience in flow["audiences"]}
    assert held == {pair for one in drawn for pair in one.pairs}


def test_a_line_says_how_often_each_pair_was_delivered() -> None:
    delivery = deliveries.DrawnDelivery("delivery-07", {"mail": ["a", "b", "c"]})
    outcome = DeliveryOutcome(
        run_id="delivery-07",
        state="success",
        expected=dict.fromkeys(delivery.pairs, 1),
        counted={("mail", "a"): 1, ("mail", "b"): 2},
    )

    line = paper.ended_line(deliveries.Ended(delivery, outcome, seconds=125.4, retries=2))

    assert line == "| delivery-07 | 3 | 1 never, 1 once, 1 2 times | success | 2:05 | 2 | 0 |"


def test_a_line_says_what_befell() -> None:
    assert paper.felt_line(Felt("Redis restarted", 61.0, 40, 123)) == "| 1:01 | Redis restarted | 40 | 123 |"
