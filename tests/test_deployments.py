"""Names of deployments."""

import pytest

from quarry.deployments import DEFAULT_CATALOGS, require_deployment
from quarry.errors import UsageError
from tests.integration.commands import ROOT


@pytest.mark.parametrize("name", ["locale", "Demo", "", "../demo"])
def test_a_misspelt_deployment_is_no_new_empty_grid(name):
    with pytest.raises(UsageError, match="demo or local"):
        require_deployment(name)


@pytest.mark.parametrize("name", list(DEFAULT_CATALOGS))
def test_every_deployment_has_a_catalog_in_the_checkout(name):
    assert (ROOT / DEFAULT_CATALOGS[require_deployment(name)]).is_file()
