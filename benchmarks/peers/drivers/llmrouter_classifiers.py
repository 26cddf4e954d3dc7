"""llmrouter-lib: its KNN, SVM and MLP routers, trained by its own trainers.

They classify by the model of highest `performance`, for which accuracy - price * cost is given. Where a
table knows right and wrong alone that label hardly depends on the price, and a class has no threshold: what
moves the share of the dear action are hyperparameters, so each is a variant with one setting. Their encoder,
a Longformer from a model hub, is replaced by the vectors of the job.
"""

import contextlib
import json
import os
import tempfile
from pathlib import Path

import torch
import yaml
from job import Answer, Job
from llmrouter.models.knnrouter import router as knn
from llmrouter.models.knnrouter.trainer import KNNRouterTrainer
from llmrouter.models.mlprouter import router as mlp
from llmrouter.models.mlprouter.trainer import MLPTrainer
from llmrouter.models.svmrouter import router as svm
from llmrouter.models.svmrouter.trainer import SVMRouterTrainer

ACTIONS = ("weak", "strong")
CHECKED = 20  # questions on which its one-at-a-time entrance must choose what the trained model chooses
WEIGHTS = (None, {"weak": 1.0, "strong": 2.0}, "balanced")
LAYERS_AND_EPOCHS = (([64], 8), ([128, 64], 30))
TRIED = [
    *(("KNN", {"n_neighbors": k, "metric": "cosine", "weights": "distance"}) for k in (1, 5, 15, 50)),
    *(("SVM", {"kernel": "rbf", "C": 1.0, "gamma": "scale", "class_weight": w}) for w in WEIGHTS),
    *(
        ("MLP", {"hidden_layer_sizes": layers, "lr": 1e-3, "epochs": epochs, "batch_size": 64})
        for layers, epochs in LAYERS_AND_EPOCHS
    ),
]
ROUTERS = {
    "KNN": (knn, knn.KNNRouter, KNNRouterTrainer, "knn_model"),
    "SVM": (svm, svm.SVMRouter, SVMRouterTrainer, "svm_model"),
    "MLP": (mlp, mlp.MLPRouter, MLPTrainer, "mlp_model"),
}

job, answer = Job.given(), Answer()
torch.set_num_threads(1)
torch.manual_seed(job.seed)
vectors = torch.tensor(job.vectors, dtype=torch.float32)
# A price at which a right answer is worth its cost, and of two right ones the cheaper is taken.
value = job.accuracy - 0.5 / job.fixed_cost.max() * job.cost


def write_data(folder):
    torch.save(vectors, folder / "vectors.pt")
    (folder / "models.json").write_text(json.dumps({name: {"size": "unknown"} for name in ACTIONS}))
    with (folder / "train.jsonl").open("w") as file:
        for at in job.train:
            for a, name in enumerate(ACTIONS):
                row = {"query": str(at), "embedding_id": int(at), "task_name": "any"}
                file.write(json.dumps({**row, "model_name": name, "performance": value[at, a]}) + "\n")


def configured(folder, hyperparameters):
    paths = {
        "routing_data_train": "train.jsonl",
        "query_embedding_data": "vectors.pt",
        "llm_data": "models.json",
    }
    settings = {
        "data_path": {name: str(folder / file) for name, file in paths.items()},
        "model_path": {
            "ini_model_path": str(folder / "none.pkl"),
            "save_model_path": str(folder / "model.pkl"),
            "load_model_path": str(folder / "model.pkl"),
        },
        "hparam": hyperparameters,
        "metric": {"weights": {"performance": 1}},
    }
    (folder / "router.yaml").write_text(yaml.safe_dump(settings))
    return str(folder / "router.yaml")


def chosen_by(router, trainer, field):
    """What the trained model chooses, all at once: its entrance reads the model anew for each question."""
    asked = vectors[torch.tensor(job.asked)]
    model = getattr(trainer, "model", None) or getattr(router, field)
    if field == "mlp_model":
        names = [router.idx_to_model[int(index)] for index in model.predict(asked)]
    else:
        names = model.predict(asked.numpy())
    for at, name in zip(job.asked[:CHECKED], names[:CHECKED], strict=True):
        assert router.route_single({"query": str(at)})["model_name"] == name
    return [[ACTIONS.index(name) for name in names]]


with tempfile.TemporaryDirectory() as scratch, Path(os.devnull).open("w") as silence:
    folder = Path(scratch)
    write_data(folder)
    for kind, hyperparameters in TRIED:
        module, Router, Trainer, field = ROUTERS[kind]
        module.get_longformer_embedding = lambda query: vectors[int(query)]
        with contextlib.redirect_stdout(silence):
            router = Router(configured(folder, hyperparameters))
            trainer = Trainer(router)
            trainer.train()
            chosen = chosen_by(router, trainer, field)
            answer.add(f"llmrouter-lib {kind}", json.dumps(hyperparameters), chosen)
answer.hand_back()
