"""Datasets to the Hugging Face Hub."""

from collections.abc import Sequence
from pathlib import Path

from chatcli.errors import NetworkError, UsageError


def upload_dataset(folder: Path, name: str, files: Sequence[str], *, private: bool) -> str:
    """Upload files of a folder to a dataset repository, which is created if there is none; in one commit.

    The token is the one that ``hf auth login`` keeps, or ``HF_TOKEN``.

    Args:
        folder: where the files are.
        name: ``OWNER/NAME``.
        files: their names in the folder.
        private: only the owner can see the repository, if it is new.

    Returns:
        The address of the dataset.

    Raises:
        UsageError: nobody is logged in.
        NetworkError: the hub refuses, or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    if get_token() is None:
        raise UsageError("nobody is logged in to the hub: run hf auth login, or set HF_TOKEN")
    api = HfApi(library_name="chatcli")
    try:
        address = api.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
        api.create_commit(
            name,
            [CommitOperationAdd(path_in_repo=file, path_or_fileobj=folder / file) for file in files],
            commit_message="Judged answers, exported by chatcli",
            repo_type="dataset",
        )
    except HFValidationError as error:
        raise UsageError(f"{name!r} is no name for a dataset: {error}") from None
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NetworkError(f"{name} could not be uploaded: {why}") from None
    return str(address)
