"""The operator API under ``/api/v1``: JSON behind keys, errors as problem+json, described at ``/api/v1/openapi.json``.

To add a route: write a handler that takes ``Asked`` and returns a Response (or raises ``Refused``), and give
``Api.add`` an ``Endpoint`` that names it; its description goes into ``web/openapi.py``. Keys, roles, limits of size,
``Idempotency-Key`` and the form of errors come with it.
"""
