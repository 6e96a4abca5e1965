"""How a run trained its network, in sentences; a subject of which its files say nothing is the empty text."""

from __future__ import annotations

from medjax.counted import counted, listed
from medjax.evaluation import markup
from medjax.evaluation.record import Record

_OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "stochastic gradient descent"}
_SCHEDULES = {
    "constant": "constant",
    "step": "lowered in steps",
    "cosine": "lowered along a cosine",
    "plateau": "lowered where validation stalls",
}


def network(record: Record) -> str:
    """Name the network, its size where the run measured it, and its initial weights."""
    model = dict(record.config.get("model") or {})
    if not model:
        return ""
    name = model.pop("name", "unnamed")
    settings = f" ({', '.join(f'{key} {value}' for key, value in markup.flatten(model))})" if model else ""
    size = ""
    if "parameters" in record.costs:
        size = (
            f" with {record.costs['parameters']:,} parameters, {record.costs['trained_parameters']:,} of them trained"
        )
    return f"The network is {name}{settings}{size}. {initial_weights(record)}"


def initial_weights(record: Record) -> str:
    """Say where training began and which part of the network it changed."""
    weights, trained = record.config.get("weights"), record.config.get("trainable")
    begun = "Its weights were drawn at random" if weights == "none" else f"Its initial weights are {weights}"
    part = {"all": "all of it was trained", "head": "only its head was trained"}.get(
        str(trained), f"trained: {trained}"
    )
    return f"{begun}; {part}." if weights else ""


def optimisation(record: Record) -> str:
    """Say how the network was trained."""
    config = record.config
    if "optimizer" not in config:
        return ""
    optimizer, schedule = config["optimizer"], config["schedule"]
    name = _OPTIMIZERS.get(optimizer["name"], optimizer["name"])
    rate = f"learning rate {optimizer['learning_rate']:g}, {_SCHEDULES.get(schedule['name'], schedule['name'])}"
    if schedule["warmup_epochs"]:
        rate += f" after {schedule['warmup_epochs']:g} epochs of warm-up"
    options = [rate, f"weight decay {optimizer['weight_decay']:g}"]
    options += [f"momentum {optimizer['momentum']:g}"] if optimizer["name"] == "sgd" else []
    options += [f"gradients clipped at {optimizer['clip_norm']:g}"] if optimizer["clip_norm"] else []
    smoothing = f" with label smoothing {config['label_smoothing']:g}" if config["label_smoothing"] else ""
    return (
        f"Cross-entropy{smoothing} was minimised by {name} ({'; '.join(options)}) in batches of "
        f"{counted(config['batch_size'], 'image')}, in {config['dtype']}, with the random seed {config['seed']}."
    )


def imbalance(record: Record) -> str:
    """Say what was done about unequal classes; nothing where nothing was."""
    parts = []
    if record.config.get("class_weights") == "balanced":
        parts.append("Classes were weighted in the loss by their inverse frequency.")
    if record.config.get("sampling") == "balanced":
        parts.append("Every class was drawn equally often.")
    if parts and record.preprocessing.get("prior_correction"):
        parts.append("Predictions were led back to the natural mixture of classes.")
    return " ".join(parts)


def stopping(record: Record) -> str:
    """Say when training ended and which epoch was kept."""
    rule, best = record.config.get("early_stopping"), record.evaluation.get("best_epoch")
    if not rule or not record.rows or best is None:
        return ""
    metric = rule["metric"].replace("val_", "validation ")
    patience = rule["patience_epochs"]
    until = f", or until {patience} epochs in turn brought no better {metric}" if patience else ""
    return (
        f"Training was to last {counted(record.config['max_epochs'], 'epoch')}{until}; it lasted "
        f"{record.rows[-1]['epoch']}. The epoch of the best {metric}, number {best}, was kept."
    )


def views(record: Record) -> str:
    """Say whether several views of an image were averaged, or several runs."""
    count, members = record.config.get("evaluation", {}).get("views", 1), record.evaluation.get("ensemble") or []
    texts = [f"The probabilities of {count} augmented views of each image were averaged."] if count > 1 else []
    if members:
        named = listed([f"{member['name']} with seed {member['seed']}" for member in members])
        texts.append(f"The probabilities of {counted(len(members), 'run')} were averaged: {named}.")
    return " ".join(texts)
