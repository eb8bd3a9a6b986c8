"""Groups of assets that a catalog may have or not: each with its checks, from one section."""

from pathlib import Path

import dagster as dg

from assets.evaluation import build_evaluation
from assets.evaluation_checks import build_evaluation_checks
from assets.evaluation_specs import identities_under
from assets.partitions import build_checkpoint_partitions, build_reasoning_partitions
from assets.reasoning import build_reasoning
from assets.reasoning_checks import build_necessity_checks
from assets.stratified import build_stratified_dataset
from assets.stratified_checks import build_stratified_checks
from quarry.catalog import Catalog


def reasoning_group(
    catalog: Catalog,
) -> tuple[list[dg.AssetsDefinition], list[dg.AssetChecksDefinition]]:
    """Assets and checks of the catalog's section `reasoning`; none where it has none."""
    spec = catalog.reasoning
    if spec is None:
        return [], []
    partitions = build_reasoning_partitions(spec)
    assets, checks = [*build_reasoning(spec, partitions)], build_necessity_checks(partitions)
    if spec.targets:
        assets.append(build_stratified_dataset(spec, partitions))
        checks += build_stratified_checks(partitions)
    return assets, checks


def evaluation_group(
    catalog: Catalog, base_dir: Path
) -> tuple[list[dg.AssetsDefinition], list[dg.AssetChecksDefinition]]:
    """Assets and checks of the catalog's section `evaluation`; none where it has none."""
    spec = catalog.evaluation
    if spec is None:
        return [], []
    partitions = build_checkpoint_partitions()
    identities = identities_under(spec, base_dir)
    assets = [*build_evaluation(identities, partitions)]
    return assets, build_evaluation_checks(identities, partitions)
