"""A connection to a Ray cluster, or a cluster on this machine for the time of a job."""

import importlib.util
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adaptive_reasoner.errors import MenuError, needs

_STORE_BYTES = 100_000_000  # of a cluster started here; nothing large is stored


def check_ray() -> None:
    """Refuse to go on without Ray.

    Raises:
        ImportError: Ray is not installed.
    """
    with needs("work on several machines needs Ray", "ray"):
        if importlib.util.find_spec("ray") is None:
            raise ImportError("ray")


def connect(address: str | None, cpus: int | None) -> bool:
    """Connect to a cluster, unless `ray.init` has done so already; whether this call did.

    Args:
        address: `"auto"` for the cluster of this machine, or HOST:PORT. None for the one that RAY_ADDRESS
            names, or else for one that is started here.
        cpus: Of a cluster that is started here; None for those of the machine.

    Raises:
        MenuError: There is no cluster at the address.
    """
    import ray

    if ray.is_initialized():
        return False
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {}
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own = {
            "num_cpus": cpus or os.cpu_count() or 1,
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "object_store_memory": _STORE_BYTES,
        }
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, ValueError) as error:
        reason = "see `ray status`, or leave out the address for a cluster on this machine alone"
        raise MenuError(f"there is no Ray cluster at {address}: {error}; {reason}") from error
    return True


def number_of_workers(wanted: int | None) -> int:
    """How many workers of one CPU each to start; as many as the cluster has CPUs where None are asked for.

    Raises:
        MenuError: The cluster has fewer CPUs.
    """
    import ray

    cpus = int(ray.cluster_resources().get("CPU", 0))
    if cpus < (wanted or 1):
        raise MenuError(
            f"the cluster has {cpus} CPUs, too few for {wanted or 1} workers; ask for fewer, or add machines"
        )
    return wanted or cpus


@contextmanager
def joblib_on_ray(address: str | None, jobs: int) -> Iterator[None]:
    """Let joblib, and so a backtest, work on a Ray cluster within the block.

    Raises:
        ImportError: Ray is not installed.
        MenuError: There is no cluster at the address, or it has fewer CPUs than `jobs`.
    """
    check_ray()
    import ray
    from joblib import parallel_config  # type: ignore[import-untyped]
    from ray.util.joblib import register_ray

    connected = connect(address, jobs)
    try:
        number_of_workers(jobs)
        register_ray()
        with parallel_config(backend="ray"):
            yield
    finally:
        if connected:
            ray.shutdown()
