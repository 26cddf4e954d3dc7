"""ucci-router: isotonic calibration of an uncertainty, then a threshold.

Its uncertainty is a log-probability of the weak model's answer, which the tables do not have; it gets the
weak model's error as a logistic learner foresees it from the vector, out of fold on the training part.
"""

import numpy as np
from job import Answer, Job
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from ucci import UCCIRouter

job, answer = Job.given(), Answer()
wrong = job.accuracy[job.train, 0] < 0.5
for strength in (0.3, 1.0, 3.0):
    learner = LogisticRegression(C=strength, max_iter=1000)
    seen = cross_val_predict(learner, job.vectors[job.train], wrong, cv=5, method="predict_proba")[:, 1]
    asked = learner.fit(job.vectors[job.train], wrong).predict_proba(job.vectors[job.asked])[:, 1]
    router = UCCIRouter(c_small=float(job.fixed_cost[0]), c_large=float(job.fixed_cost[1]))
    router.calibrate(seen, wrong.astype(float))
    choices = []
    for theta in np.unique(np.concatenate([[-1.0], router.error_probability(asked)])):
        router.theta = float(theta)
        choices.append(router.route(asked).escalate)
    answer.add("ucci-router", f"C={strength:g}", choices)
answer.hand_back()
