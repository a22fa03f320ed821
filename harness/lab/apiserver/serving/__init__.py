"""HTTP: who asks, what for, in which form, and the answers that go on: watches, logs, exec."""
