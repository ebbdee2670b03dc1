# The image of the bot; docs/deploy.md tells how to run it.

FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/parley
# Libraries change less often than the code, so they have a layer of their own.
COPY requirements.txt ./
RUN pip --python /opt/parley/bin/python install --requirement requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY bots bots
COPY core core
COPY migrations migrations
RUN pip --python /opt/parley/bin/python install --no-deps .

FROM python:3.11-slim
RUN mkdir /data && chown 10001:10001 /data
COPY --from=build /opt/parley /opt/parley
ENV PATH=/opt/parley/bin:$PATH \
    HOME=/data \
    PORT=8080
WORKDIR /data
VOLUME /data
# By number, so that a cluster can see that it is not root.
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "bots.probe"]
ENTRYPOINT ["parley"]
