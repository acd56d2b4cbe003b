"""How our values become ZenML artifacts: typed JSON with a view in the dashboard. Never cloudpickle."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from pydantic import BaseModel
from zenml.enums import VisualizationType
from zenml.materializers.pydantic_materializer import PydanticMaterializer
from zenml.metadata.metadata_types import MetadataType

from llm_twin.documents import Author, Report, Value
from llm_twin.orchestrate.standing import FeaturePlan
from llm_twin.orchestrate.views import page


class ValueMaterializer(PydanticMaterializer):
    """Any of our frozen values, as JSON."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Value,)

    def save_visualizations(self, data: Value) -> dict[str, VisualizationType]:
        """A page of HTML beside the JSON."""
        path = os.path.join(self.uri, "view.html").replace("\\", "/")  # noqa: PTH118 - a URI of the artifact store
        with self.artifact_store.open(path, "w") as file:
            file.write(page(data))
        return {path: VisualizationType.HTML, **super().save_visualizations(data)}

    def extract_metadata(self, data: BaseModel) -> dict[str, MetadataType]:
        """Nothing by itself: the steps say what is worth knowing."""
        return {}


class AuthorMaterializer(ValueMaterializer):
    """An author."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Author,)


class ReportMaterializer(ValueMaterializer):
    """The report of a run."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Report,)


class FeaturePlanMaterializer(ValueMaterializer):
    """A plan of the feature pipeline."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (FeaturePlan,)

    def compute_content_hash(self, data: BaseModel) -> str | None:
        """The state that the plan leads to, not how far it is: the steps of a run that led there are found again."""
        return data.state if isinstance(data, FeaturePlan) else super().compute_content_hash(data)
