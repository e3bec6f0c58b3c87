"""A small shop of real processes: four watched by `vedette`, one by the official OpenTelemetry packages.

::

    timetable, visits, goods  the plan: what happens when, decided by a seed alone
    shop/                     the processes: gateway, catalog, orders, payments, worker
    telemetry, official       how each of them is watched: by our SDK, or by OpenTelemetry's
    load                      the process that plays the visitors
    director                  starts, deploys, watches and stops all of them
    backend                   starts `vedette serve` beside them
    view/                     what the terminal shows, read over the public HTTP API
    run                       all of it together: `vedette demo`
"""
