//! What stands below each command's `--help`.

pub(super) const EXAMPLES: &str = "\
Examples:
  pinion-agent enroll --token-file token --allow ghcr.io/molecule-ai/
  pinion-agent run
  pinion-agent status

Exit codes: 0 done, 1 failed, 2 usage or configuration.
PINION_LOG sets the log's levels, such as debug or pinion_agent=debug.";

pub(super) const ENROLL_EXAMPLES: &str = "\
Examples:
  pinion token create | pinion-agent enroll --token - --allow ghcr.io/molecule-ai/
  PINION_ENROLL_TOKEN=pinion1.… pinion-agent enroll --allow ghcr.io/molecule-ai/ registry.fly.io/molecule-tenant
  pinion-agent enroll --token-file /run/token --state-dir /srv/pinion --name db-7 --force

A try whose answer was lost can be repeated with the same token.";

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  pinion-agent run
  pinion-agent run --state-dir /srv/pinion --docker-host unix:///run/docker.sock --log-format json

agent.toml:
  registries = [\"fly\", \"ghcr\"]            # order; default: the coordinator's
  [policy]
  allow = [\"ghcr.io/molecule-ai/\"]        # repositories, or prefixes; empty: nothing may run
  [engine]
  host = \"unix:///var/run/docker.sock\"
  [locks]
  dir = \"/run/pinion/locks\"              # update locks as files, beside those of `lock take`
  [workload.codex]                         # asked before its containers are replaced
  idle = \"http://127.0.0.1:8080/idle\"    # 200 idle, 503 busy; \"8080/idle\": at the container's own address
  max_connections = 0                      # to its published ports
  pre_cut = [\"/etc/pinion/hooks/drain\"]  # 0 go, 75 not now, else no
  drain = \"10s\"                          # from then to the stop
  post_start = [\"/etc/pinion/hooks/up\"]  # 0, or it is taken back
  switch = [\"/etc/pinion/hooks/proxy\"]   # points a proxy at the next one, and back (start-first)
  hook_timeout = \"60s\"
  [credentials.\"ghcr.io\"]
  helper = \"pinion-ghcr\"                  # or \"ecr-login\", …; helper_key, timeout = \"10s\"
  [credentials.\"registry.fly.io\"]
  secret_file = \"/etc/pinion/secrets/fly\" # with username = \"x\"
  [credentials.\"registry.example:5000\"]
  anonymous = true                        # where nothing else is found
  [workload.codex]
  probe = \"http:8080/healthz\"           # or tcp:PORT, exec:PROGRAM [ARGUMENT…]

Prints `ready agent=NAME engine=VERSION` when the engine has answered and DIR/agent.sock listens.
A bad configuration ends with exit code 2, after what was under way has been recovered.";

pub(super) const STATUS_EXAMPLES: &str = "\
Examples:
  pinion-agent status --state-dir /srv/pinion
  pinion-agent status --json";

pub(super) const LOCK_EXAMPLES: &str = "\
Examples:
  pinion-agent lock take --owner backup --reason 'nightly dump' --ttl 10m      # the whole machine; prints its id
  pinion-agent lock take --owner build-7 --reason 'a build runs' --workload codex
  pinion-agent lock renew 9f86d081884c7d65                                     # the heartbeat: 10 minutes more
  pinion-agent lock release 9f86d081884c7d65
  pinion-agent lock list

Images are pulled meanwhile; only the replacement waits. A lock that is not renewed ends by itself.";

pub(super) const HELPER_EXAMPLES: &str = "\
Examples:
  echo registry.fly.io | FLY_API_TOKEN=… pinion-agent credential-helper fly get
  ln -s /usr/bin/pinion-agent /usr/local/bin/docker-credential-pinion-fly   # for Docker's credHelpers

ghcr: GHCR_USER and GHCR_TOKEN (or GHCR_TOKEN_FILE), else ghcr-user and ghcr-token in /etc/pinion/secrets.
fly:  FLY_API_TOKEN (or FLY_API_TOKEN_FILE), else fly-api-token there; the user is always x.
PINION_SECRETS_DIR names another directory.";
