"""The page about the lab's differences from the recorded cluster, against the list that the lab is held to."""

from __future__ import annotations

from harness.oracle import predictions
from tests.contract import recorded_matrix
from tests.lab.matrix import listed, page, recorded


def test_the_page_and_the_list_are_one() -> None:
    """``docs/lab-vs-calico.md`` is what the list makes; ``python -m tests.lab.matrix.page`` writes it anew."""
    assert page.PATH.read_text(encoding="utf-8") == page.text()


def test_every_listed_cell_is_on_the_page() -> None:
    """Each difference has its cause, and each of its cells a line with what was recorded and what the lab shows."""
    text = page.text()
    lines = [[word.strip() for word in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    for item in listed.DIFFERENCES:
        assert item.cause in text
        for (phase, cell), lab in item.by_cell.items():
            [was] = [
                words[4]
                for words in lines
                if words[:3] == [phase, cell.client, cell.protocol] and cell.via in words[3].split(", ")
            ]
            assert {was.removeprefix("seen ")} == {str(outcome) for outcome in recorded.cells(phase)[cell]}
            assert [phase, cell.client, cell.protocol, f"seen {lab}"] in [[*words[:3], words[-1]] for words in lines]


def test_the_oracle_only_observes_what_is_listed() -> None:
    """As the page says, a deviation in any of these cells is a warning on a real cluster and not a failure."""
    listed_cells = {key for item in listed.DIFFERENCES for key in item.by_cell}
    held = set()
    for phase in {phase for phase, _ in listed_cells}:
        recording = recorded_matrix.load(phase)
        known = recording.known()
        for item in recording.cells:
            cell = recorded.Cell(
                client=item["client"],
                service=item["service"],
                via=item["via"],
                protocol=item["protocol"],
                port=int(item["dial"].rpartition(":")[2]),
            )
            if (phase, cell) in listed_cells:
                expected = predictions.expect_on(recording.path(item, known), recording.dataplane, known)
                assert expected.observed, cell
                held.add((phase, cell))
    assert held == listed_cells


def test_every_recorded_phase_is_spoken_of() -> None:
    """What the lab has is in the table of phases, and what it has not is named."""
    text = page.text()
    for phase in (*recorded.PHASES, "nftables"):
        assert phase in text
