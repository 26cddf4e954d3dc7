"""cre-router: k-means on the vectors, then a routing of whole clusters for every price."""

import numpy as np
from cre_router.clustering import assign_clusters, fit_clusters
from cre_router.routing import ModelStats, routing_regions
from job import Answer, Job

job, answer = Job.given(), Answer()
train = job.vectors[job.train].astype(np.float64)
varies = bool(np.ptp(job.cost[job.train], axis=0).any())
for count in (None, 30, 100):  # None: its own choice by silhouette
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
    cluster = assign_clusters(job.vectors[job.asked].astype(np.float64), found.centroids)
    for pricing in ("model", "cluster") if varies else ("model",):
        regions = routing_regions(models, cost_conditioning=pricing)
        choices = [np.array([int(region.assignment[n]) for n in inside])[cluster] for region in regions]
        answer.add("cre-router", f"k={count or 'silhouette'}, cost by {pricing}", choices)
answer.hand_back()
