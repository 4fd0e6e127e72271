"""Names of features: they keep their case, are matched in any case, and two that differ only in case are refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starwhale.errors import ArgumentTypeError, FieldNameError, UnsupportedValueError
from starwhale.storage.protocols import Key, Value


class FeatureNames:
    """The spelling of each feature of one dataset; the first one that was written counts."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._own = {name.casefold(): name for name in known}
        self._right_shapes: set[tuple[str, ...]] = set()

    def own(self, name: str) -> str:
        """Return the dataset's spelling of a name; its own where the dataset does not know it."""
        return self._own.get(name.casefold(), name)

    def adopt(self, key: Key, features: Mapping[str, Value]) -> Mapping[str, Value]:
        """Return the features of a row under the dataset's spelling, and learn new names.

        Args:
            key: The row, for messages.
            features: What the user wrote.

        Raises:
            ArgumentTypeError: A name is no str, or the features are no mapping.
            FieldNameError: Two names differ only in case.
            UnsupportedValueError: There is no feature.
        """
        if not isinstance(features, Mapping):
            message = f"the features of row {key!r} must be a dict, not {type(features).__name__}"
            raise ArgumentTypeError(message)
        shape = tuple(features)
        if shape in self._right_shapes:
            return features
        spelled = self._spell(key, shape)
        if spelled == shape:
            self._right_shapes.add(shape)
            return features
        return dict(zip(spelled, features.values(), strict=True))

    def _spell(self, key: Key, shape: tuple[str, ...]) -> tuple[str, ...]:
        if not shape:
            message = f"row {key!r} has no features"
            raise UnsupportedValueError(message, hint="give at least one, such as {'label': 0}")
        seen: dict[str, str] = {}
        for name in shape:
            if not isinstance(name, str):
                message = f"feature names are str; row {key!r} has {name!r} of type {type(name).__name__}"
                raise ArgumentTypeError(message)
            try:
                name.encode()
            except UnicodeEncodeError as error:
                message = f"the feature name {name!r} of row {key!r} is not valid Unicode text"
                raise FieldNameError(message, hint="remove the lone surrogate") from error
            folded = name.casefold()
            if folded in seen:
                message = f"row {key!r} has two features that differ only in case: {seen[folded]!r} and {name!r}"
                raise FieldNameError(message, hint="rename one of them")
            seen[folded] = name
        return tuple(self._own.setdefault(folded, name) for folded, name in seen.items())
