"""The example stacks: their files are what ZenML's own models accept, and the pipelines compile with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_twin.orchestrate.files import Planned, read_pipelines

STACKS = Path(__file__).parents[2] / "configs/stacks"
RUNS = sorted(path for path in STACKS.rglob("*.yaml") if path.name != "stack.yaml")


def name_of(path: Path) -> str:
    return str(path.relative_to(STACKS))


def settings_of(planned: Planned) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every settings block of a run, of the pipeline and of its steps."""
    yield from planned.options.get("settings", {}).items()
    for step in planned.options.get("steps", {}).values():
        yield from step.get("settings", {}).items()


@pytest.mark.parametrize("path", RUNS, ids=name_of)
def test_a_run_configuration_is_valid_has_settings_per_step_and_a_schedule(path: Path, zenml_state: Path) -> None:
    from zenml.config.docker_settings import DockerSettings
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
    from zenml.config.resource_settings import ResourceSettings
    from zenml.integrations.aws.flavors.sagemaker_orchestrator_flavor import SagemakerOrchestratorSettings
    from zenml.integrations.kubernetes.flavors.kubernetes_orchestrator_flavor import KubernetesOrchestratorSettings

    from llm_twin.orchestrate.zenml import PIPELINES

    models = {
        "docker": DockerSettings,
        "resources": ResourceSettings,
        "orchestrator.kubernetes": KubernetesOrchestratorSettings,
        "orchestrator.sagemaker": SagemakerOrchestratorSettings,
    }
    configuration = PipelineRunConfiguration.from_yaml(str(path))
    assert configuration.schedule
    assert configuration.schedule.cron_expression
    (planned,) = read_pipelines(path, path.stem)  # type: ignore[arg-type]
    blocks = list(settings_of(planned))
    assert blocks
    for name, block in blocks:
        unknown = set(block) - set(models[name].model_fields)
        assert not unknown, f"{name}: {unknown}"
        models[name](**block)
    steps = {step.name for step in PIPELINES[path.stem].depends_on}
    assert set(planned.options["steps"]) <= steps


@pytest.mark.parametrize("path", RUNS, ids=name_of)
def test_the_pipeline_compiles_with_it(path: Path, zenml_state: Path) -> None:
    from zenml.client import Client
    from zenml.config.compiler import Compiler
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration

    from llm_twin.orchestrate.zenml import PIPELINES

    (planned,) = read_pipelines(path, path.stem)  # type: ignore[arg-type]
    pipeline = PIPELINES[path.stem].with_options()
    pipeline.prepare(**planned.parameters)
    configuration = PipelineRunConfiguration.model_validate(planned.options)
    compiled = Compiler().compile(pipeline=pipeline, stack=Client().active_stack, run_configuration=configuration)
    assert compiled.is_dynamic
    named = next(iter(planned.options["steps"]))
    step = compiled.step_configurations[named].config
    wanted = planned.options["steps"][named]
    if resources := wanted["settings"].get("resources"):
        assert step.resource_settings.cpu_count == resources["cpu_count"]
    assert str(step.runtime or "") == wanted.get("runtime", "")


@pytest.mark.parametrize("path", sorted(STACKS.rglob("stack.yaml")), ids=name_of)
def test_a_stack_is_made_of_components_that_zenml_knows(path: Path, zenml_state: Path) -> None:
    import zenml
    from zenml.container_registries.base_container_registry import BaseContainerRegistryConfig
    from zenml.enums import StackComponentType
    from zenml.integrations.aws.flavors.aws_container_registry_flavor import AWSContainerRegistryConfig
    from zenml.integrations.aws.flavors.sagemaker_orchestrator_flavor import SagemakerOrchestratorConfig
    from zenml.integrations.kubernetes.flavors.kubernetes_orchestrator_flavor import KubernetesOrchestratorConfig
    from zenml.integrations.s3.flavors.s3_artifact_store_flavor import S3ArtifactStoreConfig

    models = {
        ("orchestrator", "kubernetes"): KubernetesOrchestratorConfig,
        ("orchestrator", "sagemaker"): SagemakerOrchestratorConfig,
        ("container_registry", "default"): BaseContainerRegistryConfig,
        ("container_registry", "aws"): AWSContainerRegistryConfig,
        ("artifact_store", "s3"): S3ArtifactStoreConfig,
    }
    stack = yaml.safe_load(path.read_text())
    assert stack["zenml_version"] == zenml.__version__
    assert {"orchestrator", "artifact_store", "container_registry"} == set(stack["components"])
    for kind, component in stack["components"].items():
        model = models[StackComponentType(kind).value, component["flavor"]]
        assert set(component["configuration"]) <= set(model.model_fields)
        model(**component["configuration"])
