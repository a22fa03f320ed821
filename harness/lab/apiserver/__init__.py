"""The lab's Kubernetes API server: small, in memory, and exact where kubectl and the ``kubernetes`` package look.

* ``registry``      the kinds, one row each
* ``schema``        the fields of each kind
* ``decoding``      a request's body becomes a checked object
* ``defaulting``    what the server fills in; ``validation`` what it refuses
* ``store``         objects, versions, history
* ``operations``    create, update, patch, delete: the rules between a request and the store
* ``serving``       HTTP: routes, content negotiation, watches, logs, exec
"""
