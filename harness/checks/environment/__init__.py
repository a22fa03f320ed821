"""What about the machine or the cluster would change what is seen, and is not the dataplane.

It is looked for before the first phase, so that a masquerade on the client's way is never blamed on a dataplane.
``reading`` asks the cluster, ``way`` dials; what they give is in ``seen``; everything that decides is pure.
"""
