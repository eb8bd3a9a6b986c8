"""Identity of every asset, declared once: key, group, kinds, owners, description, version, storage.

Bodies take what is here; a test compares this table with the loaded graph.
"""

from assets.automation import AUDIT, COLLECT, FOLLOW, MISSING
from assets.evaluation_specs import EVALUATION
from assets.freshness import AUDIT_FRESHNESS
from assets.identity import AssetIdentity
from quarry.benchmarks.benchmark_set import DRAW_VERSION
from quarry.collection import COLLECTION_VERSION
from quarry.grading.grader import labels_code_version
from quarry.necessity.versions import NECESSITY_VERSION, POOL_VERSION
from quarry.toy.codi import CODI_VERSION
from quarry.trajectory.layout import FORMAT_VERSION

BENCHMARK_SAMPLES = AssetIdentity(
    name="benchmark_samples",
    group="sources",
    description="The samples drawn from a benchmark and the exemplars shown with them, one "
    "partition for each task and shot setting. Drawn by hash of seed and sample id: the same "
    "samples whatever the order of the source, and still there when more are drawn.",
    kinds=("parquet", "huggingface"),
    spends="cpu",
    kept="raw",
    code_version=DRAW_VERSION,
    io_manager_key="parquet",
    automation=MISSING,
)

MODEL_CHECKPOINTS = AssetIdentity(
    name="model_checkpoints",
    group="models",
    description="The models of the catalog. Toy models are trained here, within minutes on a CPU; "
    "models from the hub or a directory are external and only shown.",
    kinds=("pytorch", "huggingface"),
    spends="cpu",
    kept="raw",
    code_version="1",
    automation=MISSING,
)

TRAJECTORIES = AssetIdentity(
    name="trajectories",
    group="trajectories",
    description="Hidden states of chosen layers for every token of prompt and output, with the "
    "generated text: one HDF5 file for each model and benchmark. Immutable; verified before it "
    "is published. Materialise with `verify_only: true` to mark a partition failed whose file "
    "has gone bad, so that a backfill of missing and failed partitions collects it again.",
    kinds=("hdf5", "pytorch"),
    spends="gpu",
    kept="raw",
    code_version=f"{COLLECTION_VERSION}-format{FORMAT_VERSION}",
    io_manager_key="hdf5",
    pool="gpu",
    automation=COLLECT,
)

CORRECTNESS_LABELS = AssetIdentity(
    name="correctness_labels",
    group="labels",
    description="One verdict a sample, from the stored outputs: correct, incorrect, no_answer, "
    "truncated, timeout or error, with the answer found and the evidence. A new grader version "
    "makes labels stale, never trajectories.",
    kinds=("parquet",),
    spends="cpu",
    kept="derived",
    code_version=labels_code_version(),
    io_manager_key="labels",
    automation=FOLLOW,
)

LABELLED_TRAJECTORIES = AssetIdentity(
    name="labelled_trajectories",
    group="labels",
    description="A small HDF5 view with the six datasets that notebooks read: fresh "
    "`is_correct`, and links to the big file, so that relabelling never rewrites gigabytes.",
    kinds=("hdf5",),
    spends="cpu",
    kept="derived",
    code_version="1",
    io_manager_key="hdf5_view",
    automation=FOLLOW,
)

LABEL_CHANGES = AssetIdentity(
    name="label_changes",
    group="labels",
    description="Every sample whose verdict or extracted answer differs between the last two "
    "grader versions on the same stored output: both verdicts, both answers, the rules that "
    "decided, and the piece of the completion they read. Shows what a relabelling moved, and why.",
    kinds=("parquet",),
    spends="cpu",
    kept="derived",
    code_version="1",
    io_manager_key="parquet",
    automation=FOLLOW,
)

REMOTE_TRAJECTORIES = AssetIdentity(
    name="remote_trajectories",
    group="remote",
    description="The second copy of each trajectory file in the object store, under the same path, "
    "with its manifest and digests. Sent only if it is not there already; recorded once size, "
    "digest and first bytes were read back. Damaged files are mended from here, range by range. "
    "Materialise with `again: true` to store a new version beside one whose bytes went bad.",
    kinds=("backblaze", "hdf5"),
    spends="traffic",
    kept="copy",
    code_version="1",
)

REMOTE_LABELS = AssetIdentity(
    name="remote_labels",
    group="remote",
    description="The second copy of each label table in the object store, under the same path.",
    kinds=("backblaze", "parquet"),
    spends="traffic",
    kept="copy",
    code_version="1",
)

STORED_OBJECTS = AssetIdentity(
    name="stored_objects",
    group="remote",
    description="What the object store holds of the grid, from its listing: matching, missing, "
    "different, only there, of no cell, unfinished; with what storing it and fetching what is "
    "missing here costs. Observed, never written.",
    kinds=("backblaze",),
    spends="traffic",
    kept="observed",
    code_version="1",
)

COLLECTION_AUDIT = AssetIdentity(
    name="collection_audit",
    group="audit",
    description="The state of every cell of the grid, which files H1 (within one task) and H2 "
    "(across tasks) analyses can use, and what to do next, with priority and hours.",
    kinds=("markdown", "csv"),
    spends="cpu",
    kept="derived",
    code_version="1",
    automation=AUDIT,
    freshness=AUDIT_FRESHNESS,
)

CODI_CHECKPOINTS = AssetIdentity(
    name="codi_checkpoints",
    group="reasoning",
    description="Tiny models that think in latent steps (CODI), trained here on toy arithmetic and "
    "stored in the published format. Checkpoints from the hub or a directory are only loaded.",
    kinds=("pytorch",),
    spends="cpu",
    kept="raw",
    code_version=str(CODI_VERSION),
    automation=COLLECT,
)

REASONING_CANDIDATES = AssetIdentity(
    name="reasoning_candidates",
    group="reasoning",
    description="The problems that are tested for necessity, with difficulty and shard: all of the "
    "catalog's splits or a draw by hash, without questions that were tested before. A problem "
    "stays in its shard for ever.",
    kinds=("parquet",),
    spends="cpu",
    kept="derived",
    code_version=POOL_VERSION,
    io_manager_key="parquet",
    automation=MISSING,
)

COT_NECESSITY = AssetIdentity(
    name="cot_necessity",
    group="reasoning",
    description="Does a model need its chain of thought? Each problem of a shard is answered "
    "twice, with thoughts and without; it is needed where only the first answer is right. Durable "
    "every 100 problems: materialise a failed shard again, or backfill *failed and missing*, and "
    "it goes on where it stopped.",
    kinds=("parquet", "pytorch"),
    spends="gpu",
    kept="raw",
    code_version=NECESSITY_VERSION,
    io_manager_key="necessity_tables",
    pool="gpu",
    automation=COLLECT,
)

NECESSITY_RESULTS = AssetIdentity(
    name="necessity_results",
    group="reasoning",
    description="All shards of a model in one table, with the share of problems that need the "
    "chain of thought, by source and by difficulty. `quarry stratify` reads this file, too.",
    kinds=("parquet",),
    spends="cpu",
    kept="derived",
    code_version="1",
    io_manager_key="parquet",
    automation=FOLLOW,
)

STRATIFIED_DATASET = AssetIdentity(
    name="stratified_dataset",
    group="reasoning",
    description="Problems that need the chain of thought, so many of each stratum, as JSON and "
    "Parquet. Existing problems are always kept and marked. Chosen by hash: whatever the order of "
    "the results, and raising a target keeps every earlier choice.",
    kinds=("json", "parquet"),
    spends="cpu",
    kept="derived",
    code_version="1",
    io_manager_key="stratified",
    automation=FOLLOW,
)

ALL = (
    BENCHMARK_SAMPLES,
    MODEL_CHECKPOINTS,
    TRAJECTORIES,
    CORRECTNESS_LABELS,
    LABELLED_TRAJECTORIES,
    LABEL_CHANGES,
    REMOTE_TRAJECTORIES,
    REMOTE_LABELS,
    STORED_OBJECTS,
    COLLECTION_AUDIT,
    CODI_CHECKPOINTS,
    REASONING_CANDIDATES,
    COT_NECESSITY,
    NECESSITY_RESULTS,
    STRATIFIED_DATASET,
    *EVALUATION,
)
