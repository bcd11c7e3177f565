"""AWS's own clients in memory: botocore's method names and answers over one `FakeCloud`.

With them the real adapters of `hover_async/aws` run against the fake, with their retries, their
pace and their reading of errors, on a virtual clock:

    cloud = FakeCloud()
    ports = ports_over(cloud)
    await deploy_build(order, ports, cloud.images, reporter)

Every request passes through `cloud.world` under its service's and operation's name, such as
`lambda.UpdateAlias`, so faults are asked for by that name; `refused` makes what AWS would answer.
With a model (`Wire.model`) requests take AWS's time and are refused beyond AWS's rates.
"""

from hover_async.testing.clients.ports import ports_over
from hover_async.testing.clients.refusals import refused, throttled
from hover_async.testing.clients.wire import Wire

__all__ = ["Wire", "ports_over", "refused", "throttled"]
