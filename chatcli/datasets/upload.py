"""Datasets to the Hugging Face Hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from chatcli.errors import NetworkError, UsageError


def upload_dataset(folder: Path, name: str, files: Sequence[str], *, private: bool) -> str:
    """Upload files of a folder to a dataset repository, which is created if there is none; in one commit.

    The token is the one that ``hf auth login`` keeps, or ``HF_TOKEN``.

    Args:
        folder: where the files are.
        name: ``OWNER/NAME``.
        files: their names in the folder.
        private: only the owner, and whom they let, can see the repository.

    Returns:
        The address of the dataset.

    Raises:
        UsageError: nobody is logged in, or the repository is there already and public.
        NetworkError: the hub refuses, or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    if get_token() is None:
        raise UsageError("nobody is logged in to the hub: run hf auth login, or set HF_TOKEN")
    # The base of the HTTP library's errors; which library that is differs between versions of the client.
    transport_error = cast(type[Exception], HfHubHTTPError.__bases__[0])
    api = HfApi(library_name="chatcli")
    try:
        address = api.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
        # One that was there already keeps its own visibility.
        if private and api.dataset_info(name).private is not True:
            raise UsageError(f"{name} is there already, and public: --public uploads to it all the same")
        api.create_commit(
            name,
            [CommitOperationAdd(path_in_repo=file, path_or_fileobj=folder / file) for file in files],
            commit_message="Judged answers, exported by chatcli",
            repo_type="dataset",
        )
    except HFValidationError as error:
        raise UsageError(f"{name!r} is no name for a dataset: {error}") from None
    except (transport_error, OfflineModeIsEnabled, OSError, ValueError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NetworkError(f"{name} could not be uploaded: {why}") from None
    return str(address)
