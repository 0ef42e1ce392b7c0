"""Getting what a URI names, for invocations: only from where an operator allowed it."""

from __future__ import annotations

import base64
import binascii
import shutil
import urllib.request
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from masklet.errors import ConfigError, MissingExtraError, VideoError
from masklet.server.problems import Refusal
from masklet.server.settings import Settings

INPUT_FOLDER = Path("/opt/ml/input")
TIMEOUT_S = 30.0
CHUNK = 2**20


def fetched(uri: str, target: Path, settings: Settings, most: int) -> None:
    """Put what a URI names into a file.

    data:             always
    file:             below /opt/ml/input or the gallery
    https:, s3:       only on SageMaker (elsewhere a client could make the server ask its own network)

    raises ConfigError for a URI that is not allowed, VideoError when it cannot be fetched
    """
    scheme = urlsplit(uri).scheme
    if scheme == "data":
        _write_data(uri, target, most)
    elif scheme == "file":
        _copy(Path(unquote(urlsplit(uri).path)), target, settings, most)
    elif scheme in ("https", "s3") and not settings.sagemaker:
        raise ConfigError(f"this server fetches nothing by {scheme}:; send the file itself or a data: URI")
    elif scheme == "https":
        _download(uri, target, most)
    elif scheme == "s3":
        _from_s3(uri, target, most)
    else:
        raise ConfigError(
            f"a URI of kind {scheme or 'nothing'!r} is not fetched; use https:, s3:, data: or file:"
        )


def _write_data(uri: str, target: Path, most: int) -> None:
    head, comma, text = uri.partition(",")
    if not comma:
        raise ConfigError("a data: URI must be like data:image/png;base64,…")
    try:
        encoded = head.endswith(";base64")
        data = base64.b64decode(text, validate=True) if encoded else unquote_to_bytes(text)
    except (binascii.Error, ValueError) as error:
        raise ConfigError("the data: URI is not base64 as it says") from error
    _check_size(len(data), most)
    target.write_bytes(data)


def _copy(path: Path, target: Path, settings: Settings, most: int) -> None:
    allowed = [folder.resolve() for folder in (INPUT_FOLDER, settings.gallery) if folder is not None]
    real = path.resolve()  # links are followed before it is judged
    if not any(real.is_relative_to(folder) for folder in allowed):
        raise ConfigError("file: URIs may only name files below /opt/ml/input or the gallery")
    if not real.is_file():
        raise VideoError("there is no such file below /opt/ml/input or the gallery")
    _check_size(real.stat().st_size, most)
    shutil.copyfile(real, target)


def _download(uri: str, target: Path, most: int) -> None:
    total = 0
    try:
        with urllib.request.urlopen(uri, timeout=TIMEOUT_S) as answer, target.open("wb") as file:
            while chunk := answer.read(CHUNK):
                total += len(chunk)
                _check_size(total, most)
                file.write(chunk)
    except (OSError, ValueError) as error:
        raise VideoError(f"{urlsplit(uri).netloc} does not give the file: {error}") from error


def _from_s3(uri: str, target: Path, most: int) -> None:
    try:
        import boto3
    except ImportError as error:
        raise MissingExtraError(
            "s3: URIs need boto3; pip install boto3, or give a presigned https: URI"
        ) from error
    parts = urlsplit(uri)
    bucket, key = parts.netloc, parts.path.lstrip("/")
    try:
        client = boto3.client("s3")
        _check_size(int(client.head_object(Bucket=bucket, Key=key)["ContentLength"]), most)
        client.download_file(bucket, key, str(target))
    except Refusal:
        raise
    except Exception as error:  # boto3's errors have no common base that is public
        raise VideoError(f"s3://{bucket}/{key} cannot be fetched: {error}") from error


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise Refusal("too_large", f"the file has more than the {most} bytes this server takes")
