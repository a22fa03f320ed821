"""Trying to fool the harness: every mutation of the evidence or of a real lab must be caught by its own pipeline.

``mutations`` says what a mutation is, ``catching`` reads from a run's record what caught it, ``trial`` plays them and
``table`` prints what came of it. ``world`` and ``stage`` are a healthy cluster without a network, as recorded, for
mutations of the evidence (``evidence_*``); the modules ``lab_*`` do the same with a real lab.

Nothing that is measured or judged knows of this package.
"""
