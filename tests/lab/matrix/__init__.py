"""The recorded matrix played on a whole lab: who is seen, cell by cell, beside who was seen on the real cluster."""
