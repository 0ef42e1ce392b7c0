"""What a container runs: masklet itself, with the options that make sense inside one.

`serve` alone listens on every address of the container, which needs $MASKLET_TOKEN, or, on SageMaker
($MASKLET_SAGEMAKER=1, or weights where it puts them), as its contract says. `health` fails unless that server
answers. Anything else is passed on: `docker run IMAGE models`.
"""

from __future__ import annotations

import os
import sys
import urllib.request


def on_sagemaker(environment: dict[str, str]) -> bool:
    return environment.get("MASKLET_SAGEMAKER") == "1" or os.path.isdir("/opt/ml/model")


def health_address(environment: dict[str, str]) -> str:
    """What answers 200 when the server that `serve` starts would answer a click."""
    return f"http://127.0.0.1:{8080 if on_sagemaker(environment) else 7860}/ping"


def arguments(given: list[str], environment: dict[str, str]) -> list[str]:
    """The command line for masklet."""
    given = given or ["serve"]
    if given != ["serve"]:
        return given
    if on_sagemaker(environment):
        return ["serve", "--sagemaker"]
    return ["serve", "--host", "0.0.0.0", "--no-browser", "--log-json"]


if __name__ == "__main__":
    if sys.argv[1:] == ["health"]:
        urllib.request.urlopen(health_address(dict(os.environ)), timeout=5).close()  # raises: exit status 1
        sys.exit()
    # The process becomes masklet, so signals arrive without a go-between.
    os.execvp("masklet", ["masklet", *arguments(sys.argv[1:], dict(os.environ))])
