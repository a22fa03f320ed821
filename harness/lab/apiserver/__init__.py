"""The lab's Kubernetes API server: small, in memory, and exact where kubectl and the ``kubernetes`` package look.

* ``registry``      the kinds, one row each
* ``schema``        the fields of each kind
* ``decoding``      a request's body becomes a checked object
* ``defaulting``    what the server fills in; ``validation`` what it refuses; ``admission`` what plugins do
* ``store``         objects, versions, history
* ``operations``    create, update, patch: the rules between a request and the store; ``deleting`` has the rest
* ``merging``, ``strategic``, ``jsonpatching``, ``applying``  what a patch makes of an object, pure
* ``tables``        what ``kubectl get`` prints, pure
* ``serving``       HTTP: routes, content negotiation, watches, logs, exec

It follows the recorded behaviour of kube-apiserver v1.36.2. What it has not: other kinds and subresources (404),
authorization beyond a known token, admission of service accounts that are not there, quotas, conversion between
versions, protobuf in answers, SPDY (exec is WebSocket only). A watch can start from the last thousand changes; from
before them it is told to list anew (410).
"""
