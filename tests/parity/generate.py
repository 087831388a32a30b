#!/usr/bin/env python3
"""Writes random cases, for run.py --compare: scripts that nobody thought of, on both servers.

  generate.py --seed 1 --count 150 --folder generated

Where the library differs from express-session by intention, the case says so in `differs`.
"""
import argparse
import json
import os
import random

KNOWN = {
    "unset": "the expiry of a session that is unset was moved when it was loaded",
    "save": "an explicit save moves the expiry at once, not at the end of the request",
}


def chance(rng, percent):
    return rng.random() * 100 < percent


def config(rng):
    made = {"secret": rng.choice(["keyboard cat", ["keyboard cat", "nyan cat"]])}
    for key, value, percent in [("resave", True, 30), ("saveUninitialized", True, 40), ("rolling", True, 35),
                                ("unset", "destroy", 30), ("store", {"touch": False}, 8)]:
        if chance(rng, percent):
            made[key] = value
    cookie = {}
    for key, values, percent in [("maxAge", [60000, 90000, 3600000], 55), ("httpOnly", [False], 20),
                                 ("sameSite", [True, "lax", "none", "strict", "auto"], 20),
                                 ("secure", [True, "auto"], 20), ("domain", ["example.com"], 10),
                                 ("path", ["/run"], 10), ("partitioned", [True], 10), ("priority", ["high"], 10)]:
        if chance(rng, percent):
            cookie[key] = rng.choice(values)
    if cookie:
        made["cookie"] = cookie
    if chance(rng, 30):
        made["proxy"] = rng.choice([True, True, None])
    return made


def step(rng):
    cookie = [{"maxAge": 120000}, {"maxAge": None}, {"httpOnly": True}, {"httpOnly": False}, {"sameSite": "strict"},
              {"sameSite": False}, {"secure": True}, {"secure": False}, {"expires": None},
              {"expires": {"$time": 7200000}}, {"originalMaxAge": 200000}, {"path": "/run"}, {"domain": "a.example"},
              {"priority": "low"}, {"partitioned": True}]
    steps = [
        (2, {"op": "get", "field": rng.choice(["views", "user", "tags", "counts", "note"])}),
        (2, {"op": "all"}),
        (3, {"op": "set", "field": "user", "value": rng.choice(["ann", "bob", None])}),
        (3, {"op": "set", "field": "views", "value": rng.choice([0, 1, 3])}),
        (2, {"op": "set", "field": "note", "value": rng.choice([None, 1, {"a": [1]}, "x"])}),
        (5, {"op": "incr", "field": "views"}),
        (2, {"op": "incr", "field": "counts", "key": rng.choice(["a", "b"])}),
        (2, {"op": "push", "field": "tags", "value": "t"}),
        (1, {"op": "pop", "field": "tags"}),
        (2, {"op": "is_new"}),
        (1, {"op": "has_session"}),
        (3, {"op": "save"}),
        (2, {"op": "reload"}),
        (2, {"op": "touch"}),
        (1.3, {"op": "regenerate"}),
        (1.2, {"op": "destroy"}),
        (1, {"op": "unset"}),
        (2, {"op": "cookie"}),
        (3, {"op": "cookie", "set": rng.choice(cookie)}),
        (1, {"op": "store_get", "id": "$current"}),
    ]
    return rng.choices([made for _, made in steps], [weight for weight, _ in steps])[0]


def request(rng):
    made = {"steps": [step(rng) for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4]))]}
    headers = {}
    if chance(rng, 30):
        headers["X-Forwarded-Proto"] = rng.choice(["https", "http"])
    if chance(rng, 20):
        headers["X-Parity-Secure"] = "true"
    if headers:
        made["headers"] = headers
    if chance(rng, 8):
        made["cookies"] = "none"
    elif chance(rng, 35):
        made["cookies"] = [{"id": "p1"}]
    if chance(rng, 8):
        made["path"] = rng.choice(["/other", "/run/x"])
    if chance(rng, 8):
        made["respond"] = rng.choice([{"status": 404, "body": "x"}, {"throw": True}, {"status": 204},
                                      {"stream": True, "chunks": ["a", "b"]}])
    return made


def record(rng, max_age):
    age = rng.choice([max_age, max_age, 60000, None])
    cookie = {"originalMaxAge": age, "expires": {"$time": rng.choice([10000, 30000, age])} if age else None,
              "httpOnly": not chance(rng, 10), "path": "/"}
    if chance(rng, 15):
        cookie["sameSite"] = "lax"
    if chance(rng, 10):
        cookie["secure"] = True
    made = {"cookie": cookie}
    for key, value, percent in [("views", 3, 70), ("user", "bob", 30), ("legacy", {"k": [1, 2]}, 20)]:
        if chance(rng, percent):
            made[key] = value
    return made


def case(rng):
    made = {"why": "generated", "config": config(rng)}
    requests = [request(rng) for _ in range(rng.choice([1, 2, 2, 3]))]
    ops = {s["op"] for r in requests for s in r["steps"]}
    differs = [why for op, why in sorted(KNOWN.items()) if op in ops]
    if "store" in made["config"] and "cookie" in ops:
        differs.append("a changed cookie alone is written where express-session asks the store to touch the session")
    if differs:
        made["differs"] = {"why": "; ".join(differs), "acceptable": "the stored cookie"}
    if chance(rng, 75):
        requests.insert(0, {"put": {"id": "p1", "record": record(rng, made["config"].get("cookie", {}).get("maxAge"))}})
    made["requests"] = requests
    return made


def main():
    p = argparse.ArgumentParser(description="Writes random parity cases.")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=150)
    p.add_argument("--folder", required=True)
    args = p.parse_args()
    rng = random.Random(args.seed)
    os.makedirs(args.folder, exist_ok=True)
    for number in range(args.count):
        with open(os.path.join(args.folder, "generated-%04d.json" % number), "w", encoding="utf-8") as handle:
            json.dump(case(rng), handle, indent=1)
    print("%d cases" % args.count)


if __name__ == "__main__":
    main()
