"""The lab's controllers: level-driven reconcilers over watched copies of the API's objects.

Each controller is one module with a pure ``reconcile(view, now)``: from what is observed to the writes that bring
it closer to what is desired. ``loop`` runs them all in one thread, again and again until none has anything left to
do, and carries their writes out through the API. They keep no state of their own: ended and started anew at any
moment, they carry on from what the API says.
"""
