# The agent's image: what `rollout start pinion-agent` rolls out, and what an
# agent runs from where it is itself a container.
#   cargo build --release -p pinion-agent
#   docker build -f deploy/containers/agent.Dockerfile -t REGISTRY/pinion-agent target/release
# The program is linked to glibc, whose name resolution cannot be linked in: the
# base needs a glibc no older than the building machine's, and libgcc. On other
# machines the launcher runs the same program without the base, so build it on
# the oldest system of the fleet.
ARG BASE=gcr.io/distroless/cc-debian13
FROM ${BASE}
COPY pinion-agent /pinion-agent
ENTRYPOINT ["/pinion-agent"]
CMD ["run"]
