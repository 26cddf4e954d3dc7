"""RouteLLM: its matrix factorisation, trained by its own loop on our vectors; the dial is its threshold.

Its model table has sixty-four names; the weak and the strong model take the two of its README. A battle that
both or neither win is left out of its own training data; the second variant lets the weak model win it.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from job import Answer, Job, by_threshold
from routellm.routers.matrix_factorization import train_matrix_factorization as factorisation
from routellm.routers.matrix_factorization.model import MODEL_IDS

WEAK, STRONG = "mixtral-8x7b-instruct-v0.1", "gpt-4-1106-preview"
HYPERPARAMETERS = {
    # what its script trains with, and a shorter, hotter run
    "its own": {"dim": 128, "alpha": 0.1, "lr": 3e-4, "epochs": 100},
    "short": {"dim": 64, "alpha": 0.02, "lr": 3e-3, "epochs": 12},
}

job, answer = Job.given(), Answer()
torch.set_num_threads(1)


def battles(part, *, ties):
    gain = job.accuracy[part, 1] - job.accuracy[part, 0]
    return [
        {"model_a": STRONG, "model_b": WEAK, "idx": int(at), "winner": "model_a" if more > 0 else "model_b"}
        for at, more in zip(part, gain, strict=True)
        if ties or more
    ]


def win_rates(net):
    asked = torch.tensor(job.asked.copy())
    strong, weak = (torch.full((len(asked),), MODEL_IDS[name]) for name in (STRONG, WEAK))
    net.eval()
    with torch.no_grad():
        return torch.sigmoid(net(strong, weak, asked, test=True)).numpy()


with tempfile.TemporaryDirectory() as scratch:
    vectors = Path(scratch) / "vectors.npy"
    np.save(vectors, job.vectors.astype(np.float32))
    for ties in (False, True):
        train, validation = (
            factorisation.PairwiseDataset(battles(part, ties=ties)) for part in (job.train, job.validation)
        )
        for name, chosen in HYPERPARAMETERS.items():
            torch.manual_seed(job.seed)
            net = factorisation.MFModel_Train(
                dim=chosen["dim"],
                num_models=len(MODEL_IDS),
                num_prompts=len(job.vectors),
                text_dim=job.vectors.shape[1],
                npy_path=str(vectors),
            )
            factorisation.train_loops(
                net,
                train.get_dataloaders(64),
                validation.get_dataloaders(1024, False),
                lr=chosen["lr"],
                weight_decay=1e-5,
                alpha=chosen["alpha"],
                num_epochs=chosen["epochs"],
                device="cpu",
            )
            variant = f"{name} hyperparameters, ties {'to the weak' if ties else 'left out'}"
            answer.add("RouteLLM matrix factorisation", variant, by_threshold(win_rates(net)))
answer.hand_back()
