"""argrouter: its router class, filled as its fields say; the package holds inference alone."""

import numpy as np
from argrouter.router import Router
from job import Answer, Job, by_price
from sklearn.linear_model import LogisticRegression

job, answer = Job.given(), Answer()
right = job.accuracy[job.train] > 0.5
for strength in (0.3, 1.0, 3.0):
    models = [
        LogisticRegression(C=strength, max_iter=1000).fit(job.vectors[job.train], column)
        for column in right.T
    ]
    for neighbours in (50, 150):
        router = Router(
            models=["weak", "strong"],
            coef=np.vstack([model.coef_ for model in models]),
            intercept=np.concatenate([model.intercept_ for model in models]),
            train_emb=job.vectors[job.train].astype(np.float64),
            train_scores=job.accuracy[job.train],
            train_costs=job.cost[job.train],
            k=neighbours,
        )
        # Its route_embeddings is the argmax of predict at the router's price, which is its dial.
        foreseen = router.predict(job.vectors[job.asked])
        answer.add("argrouter class", f"C={strength:g}, k={neighbours}", by_price(*foreseen))
answer.hand_back()
