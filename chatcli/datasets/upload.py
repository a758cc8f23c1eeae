"""Uploads datasets to the Hugging Face Hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from chatcli.errors import NetworkError, UsageError


def upload_dataset(folder: Path, name: str, files: Sequence[str], *, private: bool) -> str:
    """Upload files of a folder to a dataset repository in one commit. Creates the repository if needed.

    The token is that of ``hf auth login``, or ``HF_TOKEN``.

    Args:
        name: ``OWNER/NAME``.
        files: names of the files in the folder.
        private: whether only the owner, and whom they allow, can see the repository.

    Returns:
        The address of the dataset.

    Raises:
        UsageError: there is no token, or the repository exists and is public.
        NetworkError: the hub refuses, or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    if get_token() is None:
        raise UsageError("not logged in to the hub: run hf auth login, or set HF_TOKEN")
    # The base of the errors of the HTTP library, which differs between versions of the client.
    transport_error = cast(type[Exception], HfHubHTTPError.__bases__[0])
    api = HfApi(library_name="chatcli")
    try:
        address = api.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
        # An existing repository keeps its visibility.
        if private and api.dataset_info(name).private is not True:
            raise UsageError(f"{name} already exists and is public; pass --public to upload to it")
        api.create_commit(
            name,
            [CommitOperationAdd(path_in_repo=file, path_or_fileobj=folder / file) for file in files],
            commit_message="Judged answers, exported by chatcli",
            repo_type="dataset",
        )
    except HFValidationError as error:
        raise UsageError(f"{name!r} is not a name of a dataset: {error}") from None
    except (transport_error, OfflineModeIsEnabled, OSError, ValueError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NetworkError(f"{name} could not be uploaded: {why}") from None
    return str(address)
