"""What a container runs: masklet itself, with the options that make sense inside one.

`serve` alone listens on every address of the container, which needs $MASKLET_TOKEN, or, on SageMaker
($MASKLET_SAGEMAKER=1), as its contract says. Anything else is passed on: `docker run IMAGE models`.
"""

from __future__ import annotations

import os
import sys


def arguments(given: list[str], environment: dict[str, str]) -> list[str]:
    """The command line for masklet."""
    given = given or ["serve"]
    if given != ["serve"]:
        return given
    if environment.get("MASKLET_SAGEMAKER") == "1" or os.path.isdir("/opt/ml/model"):
        return ["serve", "--sagemaker"]
    return ["serve", "--host", "0.0.0.0", "--no-browser", "--log-json"]


if __name__ == "__main__":
    # The process becomes masklet, so signals arrive without a go-between.
    os.execvp("masklet", ["masklet", *arguments(sys.argv[1:], dict(os.environ))])
