"""A program of the external search's protocol, for its tests: python3 proposer.py <behaviour> [log]. The log gets each line that it reads."""
import json
import sys
import time

behaviour = sys.argv[1]
log = open(sys.argv[2], "w") if len(sys.argv) > 2 else None
parameters, grid, asked = [], [], 0


def points(message):
    """All of the grid, legal or not, in order."""
    result = [{}]
    for parameter in message["space"]["parameters"]:
        result = [{**point, parameter["name"]: value} for point in result for value in parameter["values"]]
    return result


for line in sys.stdin:
    message = json.loads(line)
    if log:
        log.write(line)
        log.flush()
    if "space" in message:
        grid = points(message)
    if "ask" not in message:
        continue
    asked += 1
    answer = json.dumps({"points": [grid.pop(0) for _ in range(min(message["ask"], len(grid)))]})
    if behaviour == "garbage" and asked == 2:
        answer = "Traceback: \x01 \xff what?"
    elif behaviour == "no_points":
        answer = '{"point": []}'
    elif behaviour == "dies" and asked == 2:
        sys.exit(3)
    elif behaviour == "late":
        time.sleep(60)
    elif behaviour == "endless":
        answer = "x" * 3000000
    elif behaviour == "stubborn":
        answer = json.dumps({"points": [{"block_q": 5}, 7, None, {}]})
    elif behaviour == "more_than_asked":
        answer = json.dumps({"points": grid})
    print(answer, flush=True)
