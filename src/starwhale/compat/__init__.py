"""Import paths that old scripts use: `starwhale.utils.console`, `starwhale.base.uri.resource`, ….

They are not folders of the tree. `OLD_PATHS` says which module of this folder answers for which path; one finder, registered by the
front door, makes a module with those names when it is imported. Nothing here has behaviour that new code should use.

Who may enter: old scripts, through the finder. Start reading at `OLD_PATHS`.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib.abc import Loader

OLD_PATHS = {
    "starwhale.api._impl": "",
    "starwhale.api._impl.data_store": "starwhale.compat.not_built",
    "starwhale.api._impl.dataset": "",
    "starwhale.api._impl.dataset.loader": "starwhale.compat.rows",
    "starwhale.base": "",
    "starwhale.base.data_type": "starwhale.compat.data_type",
    "starwhale.base.models": "",
    "starwhale.base.models.base": "starwhale.compat.not_built",
    "starwhale.base.type": "starwhale.compat.enums",
    "starwhale.base.uri": "",
    "starwhale.base.uri.project": "starwhale.compat.uris",
    "starwhale.base.uri.resource": "starwhale.compat.uris",
    "starwhale.consts": "starwhale.compat.environment",
    "starwhale.consts.env": "starwhale.compat.environment",
    "starwhale.core": "",
    "starwhale.core.instance": "",
    "starwhale.core.instance.view": "starwhale.compat.not_built",
    "starwhale.core.model": "",
    "starwhale.core.model.view": "starwhale.compat.model_view",
    "starwhale.core.project": "",
    "starwhale.core.project.view": "starwhale.compat.project_view",
    "starwhale.core.runtime": "",
    "starwhale.core.runtime.model": "starwhale.compat.not_built",
    "starwhale.utils": "starwhale.compat.old_utils",
    "starwhale.utils.config": "starwhale.compat.config",
    "starwhale.utils.console": "starwhale.compat.console",
    "starwhale.utils.debug": "starwhale.compat.debug",
    "starwhale.utils.fs": "starwhale.compat.files",
    "starwhale.utils.retry": "starwhale.compat.retry",
}
"""Old path → the module whose public names it has; empty for a path that is only on the way to others."""


class OldPathFinder:
    """Finds the modules of `OLD_PATHS`.

    It does not derive from `importlib.abc.MetaPathFinder`, which would bring a third of the modules that `import starwhale` needs.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer for the old paths, and for nothing else."""
        del path, target
        if fullname not in OLD_PATHS:
            return None
        loader = cast("Loader", OldPathLoader())  # in all but its base, which would bring as much as the finder's
        return importlib.machinery.ModuleSpec(fullname, loader, is_package=True)


class OldPathLoader:
    """Fills a module with the public names of the one that answers for it."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Let Python make an empty module."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Copy the public names."""
        home = OLD_PATHS[module.__name__]
        if home:
            source = vars(importlib.import_module(home))
            vars(module).update({name: source[name] for name in source["__all__"]})


def register_old_paths() -> None:
    """Put the finder behind Python's own, once."""
    if not any(isinstance(each, OldPathFinder) for each in sys.meta_path):
        sys.meta_path.append(OldPathFinder())
