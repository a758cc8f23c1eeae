"""Names of repositories, and which of their files are meant."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.errors import ChatcliError, ModelNotFound, UsageError
from chatcli.library.catalog import CatalogEntry, entries
from chatcli.library.names.hub_reference import Reference, parse_reference
from chatcli.library.names.repo_files import choose_file, choose_files, quantization

NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}[A-Za-z0-9_]", fullmatch=True).filter(
    lambda name: ".." not in name and "--" not in name
)
FOLDERS = st.lists(NAMES.filter(lambda name: not name.endswith(".")), max_size=2)
TAGS = st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True).filter(lambda tag: tag.lower() != "latest")
REVISIONS = st.none() | st.from_regex(r"[0-9a-f]{7,40}|refs/pr/[0-9]{1,3}x?|[a-z]{1,3}/[a-z]", fullmatch=True)


def _file(folders: list[str], stem: str) -> str:
    return "/".join([*folders, f"{stem}.gguf"])


REFERENCES = st.one_of(
    st.builds(
        lambda user, name, tag, revision: Reference(f"{user}/{name}", tag, None, revision),
        *(NAMES, NAMES, st.none() | TAGS, REVISIONS),
    ),
    st.builds(
        lambda user, name, file, revision: Reference(f"{user}/{name}", None, file, revision),
        *(NAMES, NAMES, st.builds(_file, FOLDERS, NAMES), REVISIONS),
    ),
).filter(
    lambda reference: (
        reference.repo.split("/")[0].lower()
        not in {"hf.co", "www.hf.co", "datasets", "spaces", "kernels", "collections"}
    )
)

UNSLOTH = [
    "README.md",
    "config.json",
    "imatrix_unsloth.gguf",
    "mmproj-BF16.gguf",
    "mmproj-F16.gguf",
    "mmproj-F32.gguf",
    "BF16/Qwen-BF16-00001-of-00002.gguf",
    "BF16/Qwen-BF16-00002-of-00002.gguf",
    "Qwen-IQ4_XS.gguf",
    "Qwen-UD-IQ4_XS.gguf",
    "Qwen-Q4_K_M.gguf",
    "Qwen-Q4_K_S.gguf",
    "Qwen-Q8_0.gguf",
    "Qwen-UD-Q4_K_XL.gguf",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user/repo", Reference("user/repo")),
        ("user/repo:Q4_K_M", Reference("user/repo", "Q4_K_M")),
        ("hf:user/repo:q8_0", Reference("user/repo", "q8_0")),
        ("hf://user/repo", Reference("user/repo")),
        ("hf.co/user/repo:IQ3_M", Reference("user/repo", "IQ3_M")),
        ("hf.co/user/repo:latest", Reference("user/repo")),
        ("huggingface.co/user/repo", Reference("user/repo")),
        ("https://huggingface.co/user/repo/", Reference("user/repo")),
        ("https://huggingface.co/user/repo/tree/main", Reference("user/repo")),
        ("https://huggingface.co/user/repo/tree/0123abc", Reference("user/repo", revision="0123abc")),
        (
            "https://huggingface.co/user/repo/resolve/main/a%20b/m.gguf?download=true",
            Reference("user/repo", file="a b/m.gguf"),
        ),
        (
            "https://HF.co/user/repo/blob/v1.0/m.gguf#l1",
            Reference("user/repo", file="m.gguf", revision="v1.0"),
        ),
        ("user/repo/m.gguf", Reference("user/repo", file="m.gguf")),
        ("user/repo@abc:Q8_0", Reference("user/repo", "Q8_0", revision="abc")),
        (" user/repo ", Reference("user/repo")),
        ("HF:user/repo", Reference("user/repo")),
        ("user/repo@refs/pr/12:Q8_0", Reference("user/repo", "Q8_0", revision="refs/pr/12")),
        ("user/repo@refs/pr/1/a/m.gguf", Reference("user/repo", file="a/m.gguf", revision="refs/pr/1")),
        ("user/repo@my%2Fbranch/m.gguf", Reference("user/repo", file="m.gguf", revision="my/branch")),
        ("https://hf.co/user/repo/tree/refs%2Fpr%2F1", Reference("user/repo", revision="refs/pr/1")),
        (
            "https://hf.co/user/repo/blob/my%2Fbranch/a%2520/m.gguf",
            Reference("user/repo", file="a%20/m.gguf", revision="my/branch"),
        ),
    ],
)
def test_spellings(text: str, expected: Reference) -> None:
    """Every spelling people know from other programs and from the hub's pages is read."""
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there must be a '/'"),
        ("name", "there must be a '/'"),
        ("user/repo:a:b", "more than one ':'"),
        ("user/repo:", "quantization"),
        ("user/repo/Q4_K_M", "there must be one '/'"),
        ("user/repo/m.gguf:Q8_0", "not both"),
        ("../repo", "not a name"),
        ("user/..", "not a name"),
        ("user/a--b", "not a name"),
        ("user/repo/../../m.gguf", "used safely"),
        ("user/repo//m.gguf", "used safely"),
        ("user/repo/a\\..\\m.gguf", "used safely"),
        ("user/repo/\x1b[2J.gguf", "used safely"),
        ("https://example.org/user/repo", "is not the hub"),
        ("ftp://huggingface.co/user/repo", "not a place"),
        ("https://huggingface.co/datasets/user/repo", "not a model"),
        ("user/repo@:Q8_0", "must follow the '@'"),
        ("user/repo@a%2F..%2Fb", "must follow the '@'"),
        ("user/repo@%2Fetc", "must follow the '@'"),
        ("user/" + "x" * 5000, "xxx"),
    ],
)
def test_what_is_wrong_is_said(text: str, why: str) -> None:
    """Anything else is refused with what is wrong with it."""
    with pytest.raises(UsageError, match=r"not a file name|is not the name of a model") as error:
        parse_reference(text)
    assert why in str(error.value)
    assert len(str(error.value)) < 500


@given(REFERENCES)
def test_a_reference_is_read_back(reference: Reference) -> None:
    """What is shown to the user can be typed again and means the same."""
    assert parse_reference(str(reference)) == reference


@given(st.text() | st.from_regex(r"(hf:|hf\.co/|https://hf\.co/)?[a-z./:@%\\]{0,20}", fullmatch=True))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text raises anything but a UsageError, and no file leads out of its folder."""
    try:
        reference = parse_reference(text)
    except UsageError:
        return
    assert reference.repo.count("/") == 1
    assert not {"", ".", ".."} & set(f"{reference.repo}/{reference.file or 'x'}".split("/"))


@pytest.mark.parametrize(
    ("tag", "file"),
    [
        (None, "Qwen-Q4_K_M.gguf"),
        ("q4_k_s", "Qwen-Q4_K_S.gguf"),
        ("Q8_0", "Qwen-Q8_0.gguf"),
        ("IQ4_XS", "Qwen-IQ4_XS.gguf"),
        ("UD-IQ4_XS", "Qwen-UD-IQ4_XS.gguf"),
        ("Q4_K_XL", "Qwen-UD-Q4_K_XL.gguf"),
        ("bf16", "BF16/Qwen-BF16-00001-of-00002.gguf"),
    ],
)
def test_a_tag_means_a_whole_quantization(tag: str | None, file: str) -> None:
    """A tag picks the file of exactly that quantization, in any case."""
    assert choose_files(UNSLOTH, tag).files[0] == file


def test_all_parts_of_a_split_model_are_chosen() -> None:
    """Parts come together and in order, whatever the order of the listing."""
    assert choose_files(UNSLOTH[::-1], "BF16").files == tuple(UNSLOTH[6:8])
    assert choose_file(UNSLOTH, UNSLOTH[7]).files == tuple(UNSLOTH[6:8])


def test_a_missing_part_is_noticed_before_anything_is_fetched() -> None:
    """A split model lacking a part is no model."""
    with pytest.raises(ModelNotFound, match="some are missing"):
        choose_files(["m-Q8_0-00001-of-00002.gguf"], None)


@pytest.mark.parametrize("tag", ["F16", "Q4_K", "Q4", "K_M", "M", "0", "IQ4", "Qwe"])
def test_a_part_of_a_quantization_is_not_one(tag: str) -> None:
    """F16 is not BF16, Q4_K not Q4_K_M: there is no fallback, and what there is gets listed."""
    with pytest.raises(ModelNotFound, match=r"BF16, IQ4_XS, Q4_K_M, Q4_K_S, Q8_0, UD-IQ4_XS and UD-Q4_K_XL"):
        choose_files(UNSLOTH, tag)


def test_without_a_tag_the_preference_is_llama_cpps() -> None:
    """Q4_K_M, then Q8_0, then the first model."""
    assert choose_files(["a-Q5_0.gguf", "a-Q8_0.gguf"]).files == ("a-Q8_0.gguf",)
    assert choose_files(["b.gguf", "a-Q5_0.gguf"]).files == ("a-Q5_0.gguf",)
    assert choose_files(["gemma-4-E2B_q4_0-it.gguf"], "Q4_0").files == ("gemma-4-E2B_q4_0-it.gguf",)


def test_several_fitting_files_are_listed() -> None:
    """Two models of the same quantization: nothing is guessed."""
    with pytest.raises(UsageError, match=r"fits several files.*: a-Q4_K_M and b-Q4_K_M"):
        choose_files(["a-Q4_K_M.gguf", "b-Q4_K_M.gguf"])


@pytest.mark.parametrize(
    "name", ["mmproj-Q8_0", "m-imatrix", "mtp-m-Q8_0", "eagle3-m", "dflash-m", "m.dspark-1"]
)
def test_helpers_are_never_the_model(name: str) -> None:
    """Projectors, importance matrices and drafts are not models, whatever they are called besides."""
    with pytest.raises(ModelNotFound, match="no GGUF model"):
        choose_files([f"{name}.gguf", "README.md"])
    assert choose_files([f"{name}.gguf", "z.gguf"]).files == ("z.gguf",)


def test_the_projector_is_the_nearest() -> None:
    """The deepest folder that holds the model wins, then the closest bit width, F16 before BF16."""
    assert choose_files(UNSLOTH).projector == "mmproj-F16.gguf"
    files = [
        "m-Q8_0.gguf",
        "q/m-Q4_K_M.gguf",
        "q/mmproj-F32.gguf",
        "mmproj-Q8_0.gguf",
        "other/mmproj-Q4_0.gguf",
    ]
    assert choose_files(files).projector == "q/mmproj-F32.gguf"
    assert choose_files(files, "Q8_0").projector == "mmproj-Q8_0.gguf"
    assert choose_files(["m.gguf"]).projector is None


def test_a_named_file_is_taken_as_it_is() -> None:
    """A file need not be a model; one that is not there is said, with those that are."""
    assert choose_file(UNSLOTH, "mmproj-F32.gguf").files == ("mmproj-F32.gguf",)
    with pytest.raises(ModelNotFound, match=r"no file x\.gguf.*Qwen-Q8_0"):
        choose_file(UNSLOTH, "x.gguf")


@given(st.lists(st.sampled_from([*UNSLOTH, "x.gguf", "y-Q8_0.gguf"]), unique=True), st.none() | TAGS)
def test_what_is_chosen_is_in_the_listing(listing: list[str], tag: str | None) -> None:
    """Whatever the listing: files of it are chosen, or an error of ours says why not."""
    try:
        choice = choose_files(listing, tag)
    except ChatcliError:
        return
    assert {*choice.files} <= {*listing}
    assert choice.projector is None or choice.projector in listing


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a-Q4_K_M.gguf", "Q4_K_M"),
        ("gpt-oss-120b-mxfp4-00001-of-00003.gguf", "MXFP4"),
        ("a.UD-IQ2_XXS.gguf", "UD-IQ2_XXS"),
        ("BF16/a-BF16.gguf", "BF16"),
        ("lkjsxclm-q8_0.gguf", "Q8_0"),
        ("plain.gguf", None),
    ],
)
def test_quantization_of_a_name(name: str, expected: str | None) -> None:
    """A file's name tells its quantization, if it does."""
    assert quantization(name) == expected


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_the_catalogue_means_its_files(entry: CatalogEntry) -> None:
    """Among other quantizations and a projector, every entry's reference picks the file it names."""
    count = re.search(r"-of-(\d{5})\.gguf$", entry.file)
    parts = int(count[1]) if count else 1
    own = [entry.file.replace("-00001-of-", f"-{n:05}-of-") for n in range(1, parts + 1)]
    others = ["mmproj-model-f16.gguf", "README.md", "x-Q2_K.gguf", "x-BF16.gguf"]
    reference = parse_reference(entry.reference)
    assert reference.repo == entry.repo
    assert choose_files([*others, *own], reference.tag).files == tuple(own)
