"""paretobandit: its LinUCB, told the outcomes of both models on the training part, then left to choose.

As in its router, vectors are reduced to whitened principal components, with a constant added, and lambda
takes a cost that is the same for every question off the expected reward. Exploration and forgetting are off,
as nothing is learned from the questions that are asked.
"""

import numpy as np
from job import Answer, Job, by_price
from pareto_bandit.policy import DisjointLinUCBPolicy

job, answer = Job.given(), Answer()
actions = [str(action) for action in range(job.accuracy.shape[1])]
train = job.vectors[job.train]
mean = train.mean(axis=0)
_, scales, components = np.linalg.svd(train - mean, full_matrices=False)
for count in (25, 100):
    whitened = (job.vectors - mean) @ components[:count].T / (scales[:count] / np.sqrt(len(train)))
    contexts = np.hstack([whitened, np.ones((len(whitened), 1))])
    for ridge in (1.0, 100.0):
        bandit = DisjointLinUCBPolicy(
            actions, dim=count + 1, alpha=0.0, init_lambda=ridge, forgetting_factor=1.0, seed=job.seed
        )
        for row in job.train:
            for action in actions:
                bandit.update(action, contexts[row], float(job.accuracy[row, int(action)]))
        expected = np.array(
            [[bandit.get_expected_reward(action, contexts[row]) for action in actions] for row in job.asked]
        )
        cost = np.tile(job.fixed_cost, (len(expected), 1))
        answer.add("paretobandit", f"{count} components, ridge {ridge:g}", by_price(expected, cost))
answer.hand_back()
