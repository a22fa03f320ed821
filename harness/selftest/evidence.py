"""All mutations of the evidence: none needs a cluster."""

from __future__ import annotations

from harness.selftest import evidence_addresses, evidence_controls, evidence_counted, evidence_harmless, evidence_told

MUTATIONS = (
    *evidence_addresses.MUTATIONS,
    *evidence_told.MUTATIONS,
    *evidence_counted.MUTATIONS,
    *evidence_controls.MUTATIONS,
    *evidence_harmless.MUTATIONS,
)
