"""What the server's benchmark measured: added latency, mean cost, saturation, and the bill under faults."""

from cells import lines_of, result


def server_load():
    """What the server adds to a request, and what it does where its upstream fails."""
    found = result("server_load")
    load, chaos = found["median"], found["chaos"]
    rows = [
        ["requests a second, for a minute", f"{found['rate']} over {found['connections']} connections"],
        ["errors", f"{load['errors']:g} of {load['requests'] * len(found['load']):,.0f}"],
        ["added latency, median", f"{load['added_ms_p50']:.0f} ms"],
        ["added latency, 99th percentile", f"{load['added_ms_p99']:.0f} ms"],
        ["mean cost of the account", f"{load['mean_cost_account']:.2f} for {found['target']:g}"],
        ["memory grown in a minute", f"{load['memory_grown_mb']:.0f} MB"],
        ["saturates at", f"{load['saturates_at']:.0f} requests a second, of one call each"],
    ]
    yield from lines_of(["", "the server, in one process"], rows)
    yield ""
    answered = chaos["statuses"].get("200", 0)
    others = [f"{number} with {status}" for status, number in chaos["statuses"].items() if status != "200"]
    ended = ", ".join([f"{answered} of {chaos['requests']} requests get an answer", *others])
    upstream, ledger = f"{chaos['upstream_bill']:,}", f"{chaos['ledger_spent']:,.0f}"
    yield f"Where 5 of 12 upstream calls fail, {ended}."
    yield f"The upstream's bill is {upstream} tokens, the ledger's {ledger}."
