#!/usr/bin/env python3
"""Lets Optuna propose the points of `attune tune`: the protocol of schedules/autotune/README.md on one side, Optuna's ask and tell on the other.

    pip install optuna
    python3 optuna_bridge.py --sampler tpe     # as the command of an external search

Every parameter is an integer for Optuna, the position in the list of its values: blocks and tiles are ordered, whatever their steps. Points
that Attune refuses as illegal, and points that failed, are pruned trials, which samplers avoid. Points that were not proposed here (the
default, and trials of an earlier run) become trials too. The same seed, space and scores give the same points.
"""
import argparse
import json
import sys
import warnings

REDRAWS = 20  # proposals in a row that were made before, after which a random one is taken


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sampler", choices=["tpe", "cmaes", "gp", "qmc", "random"], default="tpe")
    parser.add_argument("--seed", type=int, help="default: the seed of attune tune")
    return parser.parse_args()


def make_sampler(optuna, name, seed):
    """tpe: multivariate, since parameters interact. cmaes needs the package cmaes, gp needs scipy and torch."""
    samplers = optuna.samplers
    if name == "tpe":
        return samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=16)
    if name == "cmaes":
        return samplers.CmaEsSampler(seed=seed, with_margin=True)
    if name == "gp":
        return samplers.GPSampler(seed=seed)
    if name == "qmc":
        return samplers.QMCSampler(seed=seed)
    return samplers.RandomSampler(seed=seed)


class Bridge:
    def __init__(self, optuna, space, sampler, seed):
        self.optuna = optuna
        self.values = {parameter["name"]: parameter["values"] for parameter in space["parameters"]}
        self.distributions = {
            name: optuna.distributions.IntDistribution(0, len(values) - 1) for name, values in self.values.items()
        }
        self.study = optuna.create_study(direction="minimize", sampler=sampler)
        self.random = optuna.create_study(direction="minimize", sampler=optuna.samplers.RandomSampler(seed=seed))
        self.open = {}    # proposed, not told: positions -> Optuna's trial
        self.known = {}   # told: positions -> score or None

    def positions(self, point):
        """Of the values, or of the nearest ones: the default need not be on the grid."""
        return tuple(
            min(range(len(values)), key=lambda i: abs(values[i] - point[name])) for name, values in self.values.items()
        )

    def on_grid(self, point):
        return all(point.get(name) in values for name, values in self.values.items())

    def finish(self, trial, score):
        pruned = self.optuna.trial.TrialState.PRUNED
        self.study.tell(trial, score, state=pruned if score is None else None)

    def propose(self):
        """A new point, or None where the sampler has found none."""
        for _ in range(REDRAWS):
            trial = self.study.ask(self.distributions)
            positions = tuple(trial.params.values())
            if positions not in self.known and positions not in self.open:
                self.open[positions] = trial
                return positions
            self.finish(trial, self.known.get(positions))
        for _ in range(REDRAWS):
            positions = tuple(self.random.ask(self.distributions).params.values())
            if positions not in self.known and positions not in self.open:
                self.open[positions] = None  # told as one that was not proposed
                return positions
        return None

    def ask(self, n):
        points = []
        for _ in range(n):
            positions = self.propose()
            if positions is None:
                break
            points.append({name: values[i] for (name, values), i in zip(self.values.items(), positions)})
        return points

    def tell(self, point, score, reason):
        if not self.on_grid(point) and reason is not None:
            return
        positions = self.positions(point)
        trial = self.open.pop(positions, None)
        self.known[positions] = score
        if trial is not None:
            self.finish(trial, score)
            return
        state = self.optuna.trial.TrialState.PRUNED if score is None else self.optuna.trial.TrialState.COMPLETE
        self.study.add_trial(
            self.optuna.trial.create_trial(
                params=dict(zip(self.values, positions)), distributions=self.distributions, value=score, state=state
            )
        )


def main():
    options = arguments()
    try:
        import optuna
    except ImportError:
        sys.exit("optuna_bridge.py: the Python package optuna is missing; pip install optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    try:
        serve(optuna, options)
    except ImportError as error:  # Optuna imports what a sampler needs when it is first asked
        sys.exit(f"optuna_bridge.py: --sampler {options.sampler} needs another package: {error}; install it, or take --sampler tpe")


def serve(optuna, options):
    bridge = None
    for line in sys.stdin:
        message = json.loads(line)
        if "space" in message:
            seed = options.seed if options.seed is not None else message["seed"] % 2**32
            bridge = Bridge(optuna, message["space"], make_sampler(optuna, options.sampler, seed), seed)
        elif "ask" in message:
            print(json.dumps({"points": bridge.ask(message["ask"])}), flush=True)
        elif "tell" in message:
            bridge.tell(message["tell"], message["score"], message.get("reason"))


if __name__ == "__main__":
    main()
