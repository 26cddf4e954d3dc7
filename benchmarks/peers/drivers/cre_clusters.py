"""cre-router: k-means on the vectors, then a routing of whole clusters for every price.

Its own search for k, by silhouette, goes up to 9; that and two larger numbers of clusters are tried.
"""

import numpy as np
from cre_router.clustering import assign_clusters, fit_clusters
from cre_router.routing import ModelStats, routing_regions
from job import Answer, Job

job, answer = Job.given(), Answer()
train, asked = job.vectors[job.train], job.vectors[job.asked]
varies = bool(np.ptp(job.cost[job.train], axis=0).any())
for count in (9, 30, 100):
    found = fit_clusters(train, k=count, seed=job.seed, n_init=3)
    inside = {str(number): found.labels == number for number in range(found.k)}
    accuracy, cost = (
        [{name: float(column[i].mean()) for name, i in inside.items()} for column in cells[job.train].T]
        for cells in (job.accuracy, job.cost)
    )
    models = [
        ModelStats(
            name=str(a),
            tpot_ms=float(job.fixed_cost[a]),
            errors={name: 1 - right for name, right in accuracy[a].items()},
            cluster_tpot_ms=cost[a],
        )
        for a in range(job.accuracy.shape[1])
    ]
    # In blocks: it compares all at once, which takes gigabytes.
    cluster = np.concatenate([assign_clusters(block, found.centroids) for block in np.array_split(asked, 40)])
    for pricing in ("model", "cluster") if varies else ("model",):
        regions = routing_regions(models, cost_conditioning=pricing)
        choices = [np.array([int(region.assignment[n]) for n in inside])[cluster] for region in regions]
        answer.add("cre-router", f"k={count}, cost by {pricing}", choices)
answer.hand_back()
