"""References: what scikit-learn's plainest learners reach with the same vectors, in our own environment."""

import numpy as np
from job import Answer, Job, by_price, by_threshold
from sklearn.linear_model import LogisticRegression, Ridge

job, answer = Job.given(), Answer()
train, asked = job.vectors[job.train].astype(np.float64), job.vectors[job.asked].astype(np.float64)
right = job.accuracy[job.train] > 0.5
costs = np.tile(job.fixed_cost, (len(asked), 1))
for strength in (0.3, 1.0, 3.0):
    learners = [LogisticRegression(C=strength, max_iter=1000).fit(train, column) for column in right.T]
    foreseen = np.column_stack([learner.predict_proba(asked)[:, 1] for learner in learners])
    answer.add("plain logistic", f"C={strength:g}", by_price(foreseen, costs))
    label = right[:, 1] & ~right[:, 0]  # what the oracle would pay for
    labelled = LogisticRegression(C=strength, max_iter=1000).fit(train, label).predict_proba(asked)[:, 1]
    answer.add("oracle labels, as a probability", f"C={strength:g}", by_threshold(labelled))
for penalty in (3.0, 10.0, 30.0):
    foreseen, paid = (
        Ridge(alpha=penalty).fit(train, cells[job.train]).predict(asked) for cells in (job.accuracy, job.cost)
    )
    answer.add("plain ridge", f"alpha={penalty:g}", by_price(foreseen, np.maximum(paid, 0)))
answer.hand_back()
